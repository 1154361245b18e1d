package tui

import (
	"encoding/binary"
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// sortKey is what one row is sorted by: numbers side by side in memory, made
// once for each row. Comparing rows themselves is three times slower.
type sortKey struct {
	a, b  uint64
	tie   uint64 // the id of the socket, below what a column puts before it
	index int32
}

// idBits is how much of a tie is left to the id.
const idBits = 40

func (k *sortKey) breakTie(n uint64) { k.tie |= n << idBits }

func compare(k, l sortKey) int {
	switch {
	case k.a < l.a:
		return -1
	case k.a > l.a:
		return 1
	case k.b < l.b:
		return -1
	case k.b > l.b:
		return 1
	case k.tie < l.tie:
		return -1
	}
	return 1 // no two ties are the same: rows must not dance
}

// sort puts the rows to show into order.
func (v *view) sort(q *query) {
	column := &columns[q.sort]
	v.keys = slices.Grow(v.keys[:0], len(v.order))[:len(v.order)]
	for position, i := range v.order {
		r, k := &v.rows[i], &v.keys[position]
		*k = sortKey{tie: r.ID & (1<<idBits - 1), index: i}
		column.key(r, v.now, k)
		if column.descending != q.reverse {
			k.a, k.b = ^k.a, ^k.b
		}
		if q.reverse {
			k.tie = ^k.tie
		}
	}
	v.keys, v.moreKeys = sortKeys(v.keys, v.moreKeys)
	for position := range v.keys {
		v.order[position] = v.keys[position].index
	}
}

// settled is how long a socket must have been in a state before the state
// draws attention, in ns: what only passes through must not flicker.
const settled = 1e9

// trouble ranks the states in which sockets pile up when something is wrong.
var trouble = [model.NumStates]uint64{
	model.Listen:      1,
	model.Established: 2,
	model.SynSent:     3,
	model.SynRecv:     3,
	model.FinWait2:    4,
	model.FinWait1:    4,
	model.Closing:     5,
	model.LastAck:     5,
	model.CloseWait:   6,
}

// heldTrouble is the rank of a socket that has ended and is still held.
const heldTrouble = 7

// byAttention sorts by how much a row deserves a look: by verdict, then by the
// trouble its state stands for, then by age. A row moves only when something
// happens to it.
func byAttention(r *track.Row, now uint64, k *sortKey) {
	rank := troubleOf(r)
	if stays, _ := inState(r, now); stays < settled {
		rank = min(rank, trouble[model.Established])
	}
	if r.Verdict >= model.Notable {
		rank |= uint64(r.Verdict) << 8
	}
	k.a, k.b = rank, ^r.Born // the oldest first: new ones come in below
}

// troubleOf ranks what the row's state stands for, were it to stay in it.
func troubleOf(r *track.Row) uint64 {
	switch {
	case closed(r):
		return 0
	case held(r):
		return heldTrouble
	case int(r.State) >= len(trouble):
		return 0
	}
	return trouble[r.State]
}

func byState(r *track.Row, _ uint64, k *sortKey) { k.a = uint64(r.State) }

func byInState(r *track.Row, now uint64, k *sortKey) {
	ns, _ := inState(r, now)
	k.a = uint64(ns + 1)
}

func byLocal(r *track.Row, _ uint64, k *sortKey) { k.address(r.Family, &r.Saddr, r.Lport) }

func byRemote(r *track.Row, _ uint64, k *sortKey) { k.address(r.Family, &r.Daddr, r.Rport) }

func (k *sortKey) address(f events.Family, a *[16]byte, port uint16) {
	if f == events.IPv4 {
		k.b = uint64(binary.BigEndian.Uint32(a[:4]))
	} else {
		k.a, k.b = binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	}
	k.breakTie(uint64(port))
}

func byRole(r *track.Row, _ uint64, k *sortKey) { k.a = uint64(r.Role) }

func byOwner(r *track.Row, _ uint64, k *sortKey) {
	c := &r.Owner.Comm
	k.a, k.b = binary.BigEndian.Uint64(c[:8]), binary.BigEndian.Uint64(c[8:])
	k.breakTie(uint64(r.Owner.PID))
	if r.Owner.Provenance == events.ProvenanceUnknown {
		k.a = ^uint64(0) // nobody comes last
	}
}

func byUnread(r *track.Row, _ uint64, k *sortKey) { k.a = uint64(r.Unread) }

func byRetransmits(r *track.Row, _ uint64, k *sortKey) { k.a = uint64(r.Retransmits) }

func byAge(r *track.Row, now uint64, k *sortKey) {
	ns, _ := age(r, now)
	k.a = uint64(ns)
}

// byEnd puts the newest end first.
func byEnd(r *track.Row, _ uint64, k *sortKey) { k.a = r.EndTime }

func byNetns(r *track.Row, _ uint64, k *sortKey) { k.a = uint64(r.Netns) }
