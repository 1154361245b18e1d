package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// Observation is one event, judged and seen in the light of all that is known
// of its socket. Event holds the remembered tuple and cookie.
type Observation struct {
	Event     events.Event
	ID        uint64 // the life's id; 0 for an event of no socket
	Judgement model.Judgement
	InState   int64 // ns in Event.From, -1 if unknown
	LostSince uint64
	Step      uint32 // which transition of this life, from 1
	Owner     events.Owner
	Process   *events.Process // of Owner, shared; nil if nothing is known
	NetnsName string          // under /run/netns; empty if it has none
	Holders   []events.Owner  // Inventory: every fd of the socket, where asked for
	Holding   int             // Inventory: how many fds that are, 0 if not counted
	Role      model.Role
	Began     Began
	Segment   Segment // Retransmit, SynAck: what was sent again
	Count     uint32  // Retransmit: how often that kind was, in this life
	MiniEnded bool    // Mini: the mini-socket ended, as the Judgement says; else it began
	Stack     uint32  // Inventory: events.Event.Stack of connect() or accept(), 0 if not known
	Successor uint64  // Mini: the life that took its place
	Mended    Mended  // Inventory: what was wrong with the picture
	// Listen is what else is known of a listener found, nil if nothing. It is not
	// to be changed.
	Listen *events.Listen
	// Socket is the whole life, for Closed only. It is valid during Observe;
	// keep a copy, not the pointer.
	Socket *Socket
}

// clear forgets what not every observation sets: the event and the owner, most of it,
// are written over.
func (o *Observation) clear() {
	o.Judgement, o.InState, o.LostSince = model.Judgement{}, -1, 0
	o.Segment, o.Count, o.Stack = 0, 0, 0
	o.MiniEnded, o.Successor, o.Mended = false, 0, MendedNothing
	if o.Process != nil || o.NetnsName != "" || o.Holders != nil || o.Holding != 0 || o.Listen != nil || o.Socket != nil {
		o.Process, o.NetnsName, o.Holders, o.Holding, o.Listen, o.Socket = nil, "", nil, 0, nil, nil
	}
}

// Began says how the beginning of a life is known.
type Began uint8

const (
	BeganSeen Began = iota // the birth was seen
	BeganInPast
)

// String returns the name in the public contract.
func (b Began) String() string {
	if b == BeganInPast {
		return "before"
	}
	return "seen"
}

// Mended is what an inventory had to put right.
type Mended uint8

const (
	MendedNothing Mended = iota
	MendedMissing        // the socket was not known, and should have been
	MendedState          // it was taken to be in another state
)

var mendedNames = [...]string{"", "missing", "wrong_state"}

// ParseMended is the inverse of String.
func ParseMended(s string) Mended {
	for i, name := range mendedNames {
		if name == s {
			return Mended(i)
		}
	}
	return MendedNothing
}

// String returns the name in the public contract.
func (m Mended) String() string { return mendedNames[m%3] }

// Segment is what a retransmit sent again.
type Segment uint8

const (
	SegmentData Segment = iota
	SegmentSYN
	SegmentSYNACK
	SegmentFIN
)

var segmentNames = [...]string{"data", "syn", "synack", "fin"}

// String returns the name in the public contract.
func (s Segment) String() string { return segmentNames[s&3] }

// ParseSegment is the inverse of String.
func ParseSegment(s string) (Segment, bool) {
	for i, name := range segmentNames {
		if name == s {
			return Segment(i), true
		}
	}
	return 0, false
}

// TCP header flags (RFC 9293 3.1).
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagACK = 0x10
)

func segmentOf(ev *events.Event) Segment {
	f := ev.SegmentFlags()
	switch {
	case ev.Kind == events.SynAck || f&(flagSYN|flagACK) == flagSYN|flagACK:
		return SegmentSYNACK
	case f&flagSYN != 0:
		return SegmentSYN
	case f&flagFIN != 0:
		return SegmentFIN
	}
	return SegmentData
}

// Sink takes observations, one at a time and in order. Observe must not keep
// the pointer, and must not block: whoever calls it reads the kernel's ring.
type Sink interface{ Observe(*Observation) }
