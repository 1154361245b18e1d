package ladder

import (
	"cmp"
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Side is an end of a connection: where it is drawn.
type Side uint8

// The sides.
const (
	Left Side = iota
	Right
)

// Other returns the other side.
func (s Side) Other() Side { return 1 - s }

// Kind is what a segment is to the connection. There is one of each from either
// side; those that were sent again are the same.
type Kind uint8

// The kinds.
const (
	SYN Kind = iota
	SYNACK
	HandshakeACK
	FIN
	FINACK
	RST
	numKinds
)

// Number is a sequence number, if it is known.
type Number struct {
	Value uint32
	Known bool
}

// plus returns the number n behind it.
func (n Number) plus(k uint32) Number { return Number{n.Value + k, n.Known} }

// Arrow is a segment.
type Arrow struct {
	From     Side
	Kind     Kind
	Seq, Ack Number
	Again    uint32 // how often it was sent again
	Observed bool
}

// State is a state that an end enters.
type State struct {
	State    model.State
	Mini     bool // as a mini-socket
	Inferred bool // from what the other end received
}

// Rung is one moment. Its arrow comes before its states.
type Rung struct {
	Time   uint64 // ns since boot, 0 if it is not known: between its neighbours
	Arrow  *Arrow
	States [2]State // by side; State 0: it stays where it is
}

// Ladder is a connection, from top to bottom.
type Ladder struct {
	Ends  [2]*track.Socket // nil: not on this host, or not watched
	Rungs []Rung
}

// Of tells what one end knows: it is on the left.
func Of(s *track.Socket) Ladder {
	return Ladder{Ends: [2]*track.Socket{Left: s}, Rungs: climb(s, Left, true)}
}

// Join tells a connection of which both ends are known. The one that called
// connect() is on the left.
func Join(a, b *track.Socket) Ladder {
	if b.Role == model.RoleActive {
		a, b = b, a
	}
	left, right := climb(a, Left, false), climb(b, Right, false)
	settle(left, right, Left)
	settle(right, left, Right)
	return Ladder{Ends: [2]*track.Socket{a, b}, Rungs: merge(left, right)}
}

// Matches reports whether two lives are the ends of one connection: they have each
// other's addresses and nothing contradicts it, within one network namespace; in two,
// if the numbers of both SYNs prove it.
func Matches(a, b *track.Socket) bool {
	if a.ID == b.ID || a.Lport != b.Rport || a.Rport != b.Lport || !faces(a, b) || !faces(b, a) {
		return false
	}
	ab, ba := agree(a, b), agree(b, a)
	if a.Netns == b.Netns && a.NetnsCookie == b.NetnsCookie {
		return ab != contradicted && ba != contradicted
	}
	return ab == proved && ba == proved
}

// faces reports whether a is connected to the address of b. An IPv6 socket may have
// taken a connection of IPv4.
func faces(a, b *track.Socket) bool {
	return events.Addr(a.Family, &a.Daddr).Unmap() == events.Addr(b.Family, &b.Saddr).Unmap()
}

// agreement is what the number of one SYN, as both ends know it, says of them.
type agreement uint8

const (
	unknown agreement = iota
	proved
	contradicted // the same ports served another connection
)

// agree compares what a knows of the peer's SYN with what b knows of its own.
func agree(a, b *track.Socket) agreement {
	n, m := &a.Machine.Numbers, &b.Machine.Numbers
	switch {
	case !n.Has(model.HasIRS) || !m.Has(model.HasISS):
		return unknown
	case n.IRS == m.ISS:
		return proved
	}
	return contradicted
}

// settle removes from one side's rungs the arrows of its own of which the other side
// shows the arrival, or lets them be observed where the arrival has no time.
func settle(mine, others []Rung, side Side) {
	for i := range mine {
		sent := mine[i].Arrow
		if sent == nil || sent.From != side {
			continue
		}
		for j := range others {
			got := others[j].Arrow
			if got == nil || !got.Observed || got.From != sent.From || got.Kind != sent.Kind {
				continue
			}
			got.Again = max(got.Again, sent.Again)
			if others[j].Time != 0 || mine[i].Time == 0 {
				mine[i].Arrow = nil
			} else {
				*sent = *got
				others[j].Arrow = nil
			}
			break
		}
	}
}

// merge puts the rungs of both sides in the order of time. One without a time stays
// before the next of its side.
func merge(left, right []Rung) []Rung {
	type timed struct {
		Rung
		order uint64
	}
	var all []timed
	for _, side := range [][]Rung{left, right} {
		next := ^uint64(0)
		first := len(all)
		for i := len(side) - 1; i >= 0; i-- {
			if side[i].Time != 0 {
				next = side[i].Time
			}
			if side[i].Arrow != nil || side[i].States != [2]State{} {
				all = append(all, timed{side[i], next})
			}
		}
		slices.Reverse(all[first:])
	}
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Compare(a.order, b.order) })
	rungs := make([]Rung, len(all))
	for i := range all {
		rungs[i] = all[i].Rung
	}
	return rungs
}

// First returns the number of a side's SYN, and whether it is known.
func (l *Ladder) First(side Side) (uint32, bool) {
	if s := l.Ends[side]; s != nil {
		if n := &s.Machine.Numbers; n.Has(model.HasISS) {
			return n.ISS, true
		}
	}
	if s := l.Ends[side.Other()]; s != nil {
		if n := &s.Machine.Numbers; n.Has(model.HasIRS) {
			return n.IRS, true
		}
	}
	return 0, false
}
