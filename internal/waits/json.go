package waits

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// The public form of a Report: one object.
type reportJSON struct {
	Event     string                 `json:"event"`
	Time      string                 `json:"time"`
	Mono      uint64                 `json:"mono_ns"`
	Sockets   int                    `json:"sockets"`
	Sections  map[string]sectionJSON `json:"sections"`
	Ports     []pressureJSON         `json:"ports"`
	Listeners []listenerJSON         `json:"listeners"`
	Spaces    []spaceJSON            `json:"namespaces"`
}

type sectionJSON struct {
	Count  int         `json:"count"`
	Groups []groupJSON `json:"groups"`
	More   int         `json:"groups_left_out,omitempty"`
	Rest   int         `json:"sockets_left_out,omitempty"`
	Advice string      `json:"advice,omitempty"`
}

type ownerJSON struct {
	PID        uint32 `json:"pid,omitempty"`
	Comm       string `json:"comm,omitempty"`
	Provenance string `json:"provenance"`
	Container  string `json:"container,omitempty"`
}

type groupJSON struct {
	Netns   uint32      `json:"netns"`
	Owner   ownerJSON   `json:"owner"`
	Kind    string      `json:"kind,omitempty"`
	Lport   uint16      `json:"lport,omitempty"`
	Raddr   string      `json:"raddr,omitempty"`
	Rport   uint16      `json:"rport,omitempty"`
	Count   int         `json:"count"`
	Dated   int         `json:"dated"`
	Oldest  *int64      `json:"oldest_ns,omitempty"`
	Median  *int64      `json:"median_ns,omitempty"`
	AtLeast bool        `json:"at_least,omitempty"`
	Newer   int         `json:"last_minute"`
	Rate    *float64    `json:"per_minute,omitempty"`
	Unread  uint64      `json:"unread"`
	Again   uint64      `json:"retransmits"`
	FDs     []int32     `json:"fds,omitempty"`
	Holding int         `json:"fd_count,omitempty"`
	Example exampleJSON `json:"example"`
	Stack   *stackJSON  `json:"stack,omitempty"`
	Other   *otherJSON  `json:"other_end,omitempty"`
}

// otherJSON is the other end that has lasted longest.
type otherJSON struct {
	Count   int          `json:"count"` // sockets whose other end is on this host and says something
	State   string       `json:"state"` // none: it is gone
	Netns   uint32       `json:"netns,omitempty"`
	Owner   *ownerJSON   `json:"owner,omitempty"`
	Lasting int64        `json:"lasting_ns"`
	Verdict string       `json:"verdict"`
	Rule    string       `json:"rule"`
	Why     string       `json:"why"`
	Example *exampleJSON `json:"example,omitempty"`
}

type stackJSON struct {
	Count  int      `json:"count"`
	Frames []string `json:"frames"`
}

type exampleJSON struct {
	Cookie string `json:"cookie,omitempty"`
	Laddr  string `json:"laddr"`
	Lport  uint16 `json:"lport"`
	Raddr  string `json:"raddr"`
	Rport  uint16 `json:"rport"`

	FD       *int32 `json:"fd,omitempty"`
	Age      *int64 `json:"in_state_ns,omitempty"`
	AtLeast  bool   `json:"at_least,omitempty"`
	Received *int64 `json:"last_received_ns,omitempty"`
	Sent     *int64 `json:"last_sent_ns,omitempty"`

	Holders []holderJSON `json:"holders,omitempty"`
	History []stepJSON   `json:"history,omitempty"`
}

type holderJSON struct {
	PID  uint32 `json:"pid,omitempty"`
	Comm string `json:"comm"`
	FD   int32  `json:"fd"`
}

type stepJSON struct {
	State string  `json:"state"`
	Mono  *uint64 `json:"mono_ns,omitempty"` // when it was entered; none if that was not seen
}

type pressureJSON struct {
	Netns    uint32   `json:"netns"`
	Laddr    string   `json:"laddr"`
	Raddr    string   `json:"raddr"`
	Rport    uint16   `json:"rport"`
	Used     int      `json:"used"`
	TimeWait int      `json:"time_wait"`
	Reusable int      `json:"reusable"`
	Usable   int      `json:"usable"`
	Ratio    float64  `json:"ratio"`
	Rate     *float64 `json:"per_minute,omitempty"`
	Left     *int64   `json:"exhausted_in_ns,omitempty"`
	Failed   uint64   `json:"connects_failed"`
	Advice   string   `json:"advice,omitempty"`
}

type listenerJSON struct {
	Netns       uint32    `json:"netns"`
	Laddr       string    `json:"laddr"`
	Lport       uint16    `json:"lport"`
	Owner       ownerJSON `json:"owner"`
	Accept      uint32    `json:"accept_queue"`
	AcceptLimit uint32    `json:"accept_limit"`
	Full        bool      `json:"full"`
	SYN         *uint32   `json:"syn_queue,omitempty"`
	SYNLimit    *uint32   `json:"syn_limit,omitempty"`
	Unaccepted  *int      `json:"unaccepted,omitempty"`
	Overflows   *uint64   `json:"netns_listen_overflows,omitempty"`
	Advice      string    `json:"advice"`
}

type spaceJSON struct {
	Netns      uint32  `json:"netns"`
	PortLow    uint16  `json:"port_low,omitempty"`
	PortHigh   uint16  `json:"port_high,omitempty"`
	Reserved   int     `json:"ports_reserved,omitempty"`
	Bound      *int    `json:"ports_bound,omitempty"`
	TWReuse    *int    `json:"tcp_tw_reuse,omitempty"`
	TimeWait   int     `json:"time_wait"`
	MaxBuckets int     `json:"tcp_max_tw_buckets,omitempty"`
	Overflow   *uint64 `json:"tw_overflow,omitempty"`
}

// WriteJSON writes a Report on one line; epoch is the wall clock at 0 of the
// events' clock, in ns since 1970.
func (r *Report) WriteJSON(w io.Writer, epoch int64) error {
	out := reportJSON{
		Event: "waits", Time: time.Unix(0, epoch+int64(r.Time)).UTC().Format("2006-01-02T15:04:05.000000000Z"), Mono: r.Time,
		Sockets: r.Sockets, Sections: map[string]sectionJSON{}, Ports: []pressureJSON{}, Listeners: []listenerJSON{}, Spaces: []spaceJSON{},
	}
	for s := range r.Sections {
		p := &r.Sections[s]
		section := sectionJSON{Count: p.Count, Groups: []groupJSON{}, More: p.More, Rest: p.Rest, Advice: p.Advice}
		for i := range p.Groups {
			section.Groups = append(section.Groups, p.Groups[i].json())
		}
		out.Sections[p.Section.String()] = section
	}
	settings := map[uint32]*Settings{}
	for i := range r.Spaces {
		s := &r.Spaces[i]
		settings[s.Netns] = s.Settings
		out.Spaces = append(out.Spaces, s.json())
	}
	for i := range r.Pressure {
		out.Ports = append(out.Ports, r.Pressure[i].json(settings[r.Pressure[i].Netns]))
	}
	for i := range r.Listeners {
		out.Listeners = append(out.Listeners, r.Listeners[i].json(settings[r.Listeners[i].Netns]))
	}
	return json.NewEncoder(w).Encode(out)
}

func ownerOf(pid uint32, comm *[16]byte, p events.Provenance, container string) ownerJSON {
	return ownerJSON{pid, printable.Comm(comm), p.String(), printable.String(container)}
}

func (g *Group) json() groupJSON {
	k, x := &g.Key, &g.Example
	out := groupJSON{
		Netns: k.Netns, Owner: ownerOf(k.PID, &k.Comm, k.Provenance, k.Container), Kind: k.Kind.String(), Lport: k.Lport, Rport: k.Rport,
		Count: g.Count, Dated: g.Ages, AtLeast: g.AtLeast, Newer: g.Newer, Rate: measured(g.Rate), Unread: g.Unread,
		Again: g.Again, FDs: g.FDs, Holding: g.Holding, Example: x.json(),
	}
	if g.Frames != nil {
		out.Stack = &stackJSON{g.Stacked, g.Frames}
	}
	out.Other = g.Other.json()
	if k.Family != 0 {
		out.Raddr = address(k.Family, &k.Raddr)
	}
	if g.Ages > 0 {
		out.Oldest, out.Median = &g.Oldest, &g.Median
	}
	return out
}

func (x *Example) json() exampleJSON {
	out := exampleJSON{
		Laddr: address(x.Family, &x.Local), Lport: x.Lport, Raddr: address(x.Family, &x.Remote), Rport: x.Rport,
		FD: fdJSON(x.FD), Holders: holdersJSON(x.Holders), History: historyJSON(x.History),
	}
	if x.Cookie != 0 {
		out.Cookie = strconv.FormatUint(x.Cookie, 16)
	}
	if x.Age >= 0 {
		out.Age, out.AtLeast = &x.Age, x.AtLeast
	}
	if x.Received >= 0 {
		out.Received = &x.Received
	}
	if x.Sent >= 0 {
		out.Sent = &x.Sent
	}
	return out
}

// json returns nil where no other end says anything.
func (o *Other) json() *otherJSON {
	if o.Count == 0 {
		return nil
	}
	out := &otherJSON{Count: o.Count, State: "none", Lasting: o.Lasting, Verdict: o.Verdict.String(), Rule: o.Rule.String(), Why: o.Rule.Why()}
	if !o.Gone {
		owner, example := ownerOf(o.PID, &o.Comm, o.From, ""), o.Example.json()
		out.State, out.Netns, out.Owner, out.Example = o.State.String(), o.Netns, &owner, &example
	}
	return out
}

func fdJSON(fd int32) *int32 {
	if fd < 0 {
		return nil
	}
	return &fd
}

func holdersJSON(holders []events.Owner) (out []holderJSON) {
	for i := range holders {
		h := &holders[i]
		out = append(out, holderJSON{h.PID, printable.Comm(&h.Comm), h.FD})
	}
	return out
}

func historyJSON(steps []track.Step) (out []stepJSON) {
	for i := range steps {
		step := stepJSON{State: steps[i].State.String()}
		if steps[i].Time != 0 {
			step.Mono = &steps[i].Time
		}
		out = append(out, step)
	}
	return out
}

func (p *Pressure) json(s *Settings) pressureJSON {
	out := pressureJSON{
		Netns: p.Netns, Laddr: address(p.Family, &p.Source), Raddr: address(p.Family, &p.Dest), Rport: p.Port,
		Used: p.Used, TimeWait: p.TimeWait, Reusable: p.Reusable, Usable: p.Usable, Ratio: p.Ratio(), Rate: measured(p.Rate), Failed: p.Failed,
	}
	if p.Left >= 0 {
		out.Left = &p.Left
	}
	if s != nil {
		out.Advice = p.Advice(s)
	}
	return out
}

func (l *Listener) json(s *Settings) listenerJSON {
	out := listenerJSON{
		Netns: l.Netns, Laddr: address(l.Family, &l.Addr), Lport: l.Port, Owner: ownerOf(l.PID, &l.Comm, l.Provenance, ""),
		Accept: l.Queues.Accept, AcceptLimit: l.Queues.AcceptLimit, Full: l.Full(), Advice: l.Advice(s),
	}
	if l.Queues.Known {
		out.SYN, out.SYNLimit = &l.Queues.SYN, &l.Queues.SYNLimit
	}
	if l.Unaccepted >= 0 {
		out.Unaccepted = &l.Unaccepted
	}
	if n, ok := l.Overflows(); ok {
		out.Overflows = &n
	}
	return out
}

func (s *Space) json() spaceJSON {
	out := spaceJSON{Netns: s.Netns, TimeWait: s.TimeWait}
	if s.Counted {
		out.Overflow = &s.Overflow
	}
	if bound := len(s.Bound); s.BoundKnown {
		out.Bound = &bound
	}
	if t := s.Settings; t != nil {
		out.PortLow, out.PortHigh, out.Reserved, out.MaxBuckets, out.TWReuse = t.PortLow, t.PortHigh, t.Reserved, t.MaxTWBuckets, &t.TWReuse
	}
	return out
}

func measured(rate float64) *float64 {
	if math.IsNaN(rate) {
		return nil
	}
	return &rate
}

func address(f events.Family, a *[16]byte) string { return events.Addr(f, a).String() }
