package waits

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// Section is one kind of build-up.
type Section uint8

const (
	CloseWait Section = iota // the peer has closed, this side has not
	Held                     // ended, and a process still holds a descriptor
	FinWait2                 // this side has closed, the peer has not
	HalfOpen                 // established, and the other end, of this host, is not
	SynSent                  // nobody has answered yet
	SynRecv                  // half-open: the handshake's last ACK is awaited
	TimeWait                 // closed in order, by this side first
	NumSections
)

// sections names each, and says what it is.
var sections = [NumSections]struct{ name, title, meaning string }{
	CloseWait: {"close_wait", "CLOSE_WAIT", "the peer has closed, the process here has not"},
	Held:      {"held", "CLOSE, held", "ended, and a process still holds a descriptor: ss does not show these"},
	FinWait2:  {"fin_wait2", "FIN_WAIT2", "this side has closed, the peer has not"},
	HalfOpen:  {"half_open", "ESTABLISHED, half-open", "the other end, which was on this host, is gone or not established"},
	SynSent:   {"syn_sent", "SYN_SENT", "nobody has answered yet"},
	SynRecv:   {"syn_recv", "SYN_RECV", "half-open: the last ACK of the handshake is awaited"},
	TimeWait:  {"time_wait", "TIME_WAIT", "this side closed first; normal, for a minute each"},
}

// String returns the name in the public contract.
func (s Section) String() string { return sections[s].name }

// Title returns what a person reads first.
func (s Section) Title() string { return sections[s].title }

// Meaning says what it is in a few words.
func (s Section) Meaning() string { return sections[s].meaning }

// sectionOf returns the section that an entry belongs to.
func sectionOf(e *entry) (Section, bool) {
	switch e.state {
	case model.CloseWait:
		return CloseWait, true
	case model.Close:
		return Held, true
	case model.FinWait2:
		return FinWait2, true
	case model.TimeWait:
		if e.substate == model.FinWait2 {
			return FinWait2, true
		}
		return TimeWait, true
	case model.SynSent:
		return SynSent, true
	case model.SynRecv, model.NewSynRecv:
		return SynRecv, true
	}
	return 0, false
}

// Kind tells sockets in FIN_WAIT2 apart: how they end depends on it.
type Kind uint8

const (
	KindNone   Kind = iota
	KindHeld        // a process holds it: no time limit
	KindOrphan      // closed, and its time runs: tcp_fin_timeout, or more
	KindMini        // a mini-socket: tcp_fin_timeout at most
)

var kindNames = [...]string{"", "held", "orphan", "mini"}

// String returns the name in the public contract, "" for none.
func (k Kind) String() string { return kindNames[k] }

func kindOf(e *entry) Kind {
	switch {
	case e.state == model.TimeWait && e.substate == model.FinWait2:
		return KindMini
	case e.state != model.FinWait2:
		return KindNone
	case e.note == events.NoteOrphan:
		return KindOrphan
	}
	return KindHeld
}
