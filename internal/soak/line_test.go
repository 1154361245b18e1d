package soak

import "net/netip"

// line is what the soak looks at of a line of JSON.
type line struct {
	Event    string      `json:"event"`
	Mono     int64       `json:"mono_ns"`
	Socket   uint64      `json:"socket"`
	Family   string      `json:"family"`
	Laddr    netip.Addr  `json:"laddr"`
	Lport    uint16      `json:"lport"`
	Raddr    netip.Addr  `json:"raddr"`
	Rport    uint16      `json:"rport"`
	Role     string      `json:"role"`
	From     string      `json:"from"`
	To       string      `json:"to"`
	Verdict  string      `json:"verdict"`
	Rule     string      `json:"rule"`
	Why      string      `json:"why"`
	Began    string      `json:"began"`
	Dir      string      `json:"direction"`
	State    string      `json:"state"`
	Kind     string      `json:"kind"`
	Err      int         `json:"err"`
	Where    string      `json:"where"`
	Count    int         `json:"count"`
	End      string      `json:"end"`
	Reason   string      `json:"close_reason"`
	History  []stage     `json:"history"`
	Evidence lineOfState `json:"evidence"`
}

type stage struct {
	State string `json:"state"`
}

type lineOfState struct {
	Err      int      `json:"err"`
	Shutdown int      `json:"shutdown"`
	Owned    bool     `json:"owned"`
	Flags    []string `json:"flags"`
}

// tuple is a connection as one of its ends has it.
type tuple struct{ local, remote netip.AddrPort }

func (l *line) tuple() tuple {
	return tuple{netip.AddrPortFrom(l.Laddr, l.Lport), netip.AddrPortFrom(l.Raddr, l.Rport)}
}

// peer is the same as the other end has it.
func (t tuple) peer() tuple { return tuple{t.remote, t.local} }
