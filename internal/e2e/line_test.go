package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
)

// line is what the tests look at of a line of JSON.
type line struct {
	Event       string  `json:"event"`
	Socket      uint64  `json:"socket"`
	Cookie      string  `json:"cookie"`
	Netns       uint32  `json:"netns"`
	NetnsCookie uint64  `json:"netns_cookie"`
	NetnsName   string  `json:"netns_name"`
	Family      string  `json:"family"`
	Laddr       string  `json:"laddr"`
	Lport       uint16  `json:"lport"`
	Raddr       string  `json:"raddr"`
	Rport       uint16  `json:"rport"`
	Role        string  `json:"role"`
	Owner       person  `json:"owner"`
	Actor       *person `json:"actor"`

	From, To, State, Substate string
	Verdict, Rule, Why        string
	Began                     string
	Held                      bool
	InStateNS                 *int64 `json:"in_state_ns"`
	Kind, Where, Direction    string
	Count                     uint64
	CloseReason               string `json:"close_reason"`
	ClosedBy                  string `json:"closed_by"`
	Retransmits               struct{ SYN, SYNACK, FIN, Data uint32 }
	History                   []struct{ State string }
	Complete                  bool
	Evidence                  struct{ Flags []string }
	End                       string
	Successor                 uint64

	RecvQ    uint32            `json:"recv_q"`
	SendQ    uint32            `json:"send_q"`
	Listen   *backlog          `json:"listen"`
	Counters map[string]uint64 `json:"netns_counters"`
}

// backlog is how full a listener's queues are.
type backlog struct {
	Accept      uint32 `json:"accept_queue"`
	AcceptLimit uint32 `json:"accept_limit"`
	SYN         uint32 `json:"syn_queue"`
	SYNLimit    uint32 `json:"syn_limit"`
	Young       uint32 `json:"syn_young"`
	Unaccepted  *int   `json:"unaccepted"`
}

type person struct {
	PID                      uint32
	Comm                     string
	FD                       *int
	Provenance, Note         string
	Container, Unit, Cmdline string
	Holders                  []person
	More                     int `json:"holders_more"`
}

func (l *line) local() netip.AddrPort  { return addrPort(l.Laddr, l.Lport) }
func (l *line) remote() netip.AddrPort { return addrPort(l.Raddr, l.Rport) }

func addrPort(addr string, port uint16) netip.AddrPort {
	a, _ := netip.ParseAddr(addr) // the zero address differs from every expected one
	return netip.AddrPortFrom(a, port)
}

// involves reports whether the line is about a socket with one of these ports.
func (l *line) involves(ports ...uint16) bool {
	for _, p := range ports {
		if p != 0 && (l.Lport == p || l.Rport == p) {
			return true
		}
	}
	return false
}

// String shows a line in an error.
func (l *line) String() string {
	return fmt.Sprintf("%s #%d %v>%v %s>%s %s %s owner %+v", l.Event, l.Socket, l.local(), l.remote(), l.From, l.To, l.Verdict, l.Rule, l.Owner)
}

// parseLines parses JSON Lines, each of which must be an object of its own.
func parseLines(t *testing.T, text []byte) []line {
	t.Helper()
	var all []line
	for b := range bytes.Lines(text) {
		var l line
		if err := json.Unmarshal(b, &l); err != nil {
			t.Fatalf("line %d: %v: %s", len(all)+1, err, b)
		}
		all = append(all, l)
	}
	return all
}

// parseArray parses an array of lines.
func parseArray(t *testing.T, text []byte) (all []line) {
	t.Helper()
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return all
}

// sift returns the lines that ok accepts.
func sift(lines []line, ok func(*line) bool) (kept []line) {
	for i := range lines {
		if ok(&lines[i]) {
			kept = append(kept, lines[i])
		}
	}
	return kept
}

// bySocket groups lines by socket, in order.
func bySocket(lines []line) map[uint64][]line {
	m := map[uint64][]line{}
	for _, l := range lines {
		m[l.Socket] = append(m[l.Socket], l)
	}
	return m
}

// noneImpossible fails the test on a verdict of what TCP does not allow.
func noneImpossible(t *testing.T, lines []line) {
	t.Helper()
	for i := range lines {
		if lines[i].Verdict == "impossible" {
			t.Errorf("impossible: %v", &lines[i])
		}
	}
}
