package soak

import (
	"maps"
	"net/netip"
	"slices"
)

// kind is what the formulas ask of a life that has ended.
type kind struct {
	program, role         string
	reason, rule, verdict string
	first, last           string // the state it began in, and the one it left for CLOSE
	err                   bool   // sk_err was set
	linger0, mptcp        bool
	closing               bool // close() did it: it holds the socket and has shut it down
}

// sent is what the kernel sent again, by kind, and what could not be sent.
type sent struct{ kind, failed string }

// ledger adds up what tcpwatch told.
type ledger struct {
	ports    map[uint16]string // of the programs
	lives    map[kind]int
	again    map[sent]int   // retransmits
	minis    map[string]int // ends of mini-sockets; begun under ""
	resets   int            // RSTs sent by sockets
	rsts     map[tuple]int  // the same by the sender's tuple
	reset    map[tuple]int  // lives and mini-sockets that an RST ended, by the peer's tuple
	lost     map[string]int // by place
	doubtful []line         // impossible, or unjudged though their beginning was seen
}

func newLedger(ports map[uint16]string) *ledger {
	return &ledger{ports: ports, lives: map[kind]int{}, again: map[sent]int{}, minis: map[string]int{},
		rsts: map[tuple]int{}, reset: map[tuple]int{}, lost: map[string]int{}}
}

// add enters a line.
func (g *ledger) add(l *line) {
	if l.Verdict == "impossible" || l.Verdict == "unjudged" && l.Began != "before" {
		g.doubtful = append(g.doubtful, *l)
	}
	switch l.Event {
	case "closed":
		g.closed(l)
	case "retransmit":
		failed := ""
		if l.Err != 0 {
			failed = "failed"
		}
		g.again[sent{l.Kind, failed}]++
	case "reset":
		if l.Dir == "sent" {
			g.resets++
			sender := l.tuple()
			if l.Role == "listener" {
				sender.remote = netip.AddrPort{}
			}
			g.rsts[sender]++
		}
	case "time_wait":
		g.minis[l.End]++
		if l.End == "assassinated" {
			g.reset[l.tuple().peer()]++
		}
	case "lost":
		g.lost[l.Where] += l.Count
	}
}

func (g *ledger) closed(l *line) {
	if l.Role == "listener" {
		return
	}
	k := kind{program: g.program(l), role: l.Role, reason: l.Reason, rule: l.Rule, verdict: l.Verdict}
	if n := len(l.History); n >= 2 { // the last one is CLOSE
		k.first, k.last = l.History[0].State, l.History[n-2].State
	}
	e := &l.Evidence
	k.err = e.Err != 0
	k.linger0, k.mptcp = slices.Contains(e.Flags, "linger0"), slices.Contains(e.Flags, "mptcp")
	k.closing = e.Owned && e.Shutdown == 3 && slices.Contains(e.Flags, "has_socket")
	g.lives[k]++
	if byRST(k) {
		g.reset[l.tuple().peer()]++
	}
}

// byRST reports whether an RST of the peer's ended a life.
func byRST(k kind) bool {
	return k.reason == "reset_by_peer" || k.rule == "end-refused"
}

// program is whose a socket is, or whose the server that it talks to.
func (g *ledger) program(l *line) string {
	for _, port := range []uint16{l.Lport, l.Rport} {
		if name := g.ports[port]; name != "" {
			return name
		}
	}
	return "others"
}

// count counts lives.
func (g *ledger) count(is func(kind) bool) (n int) {
	for k, lives := range g.lives {
		if is(k) {
			n += lives
		}
	}
	return n
}

// sentAgain counts retransmits of some kinds, or of all.
func (g *ledger) sentAgain(failed string, kinds ...string) (n int) {
	for s, times := range g.again {
		if s.failed == failed && (len(kinds) == 0 || slices.Contains(kinds, s.kind)) {
			n += times
		}
	}
	return n
}

// unexplained returns who should have sent the RSTs that ended something, and did not:
// no socket, and none of homeless. To whom a listener sent one, nobody tells.
func (g *ledger) unexplained(homeless map[tuple]int) (senders []tuple) {
	byListeners := maps.Clone(g.rsts)
	for sender, lives := range g.reset {
		for range lives - g.rsts[sender] - homeless[sender] {
			listener := tuple{local: sender.local}
			if byListeners[listener] == 0 {
				senders = append(senders, sender)
			} else {
				byListeners[listener]--
			}
		}
	}
	return senders
}

// losses is how many events are missing.
func (g *ledger) losses() (n int) {
	for _, count := range g.lost {
		n += count
	}
	return n
}
