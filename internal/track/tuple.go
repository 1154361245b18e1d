package track

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/tcpwatch/tcpwatch/events"
)

// A mini-socket is found by what it occupies: the two ends of its connection in
// its network namespace. The index holds a hash of them, seeded for each table,
// so that nobody outside can make two collide; that two of a million do by
// chance happens once in 30 million tables, and then one of them is not kept.

const tupleSize = 2*16 + 2*2 + 8 + 4

func (t *Table) key(saddr, daddr *[16]byte, lport, rport uint16, cookie uint64, inum uint32) uint64 {
	var b [tupleSize]byte
	copy(b[:], saddr[:])
	copy(b[16:], daddr[:])
	binary.NativeEndian.PutUint16(b[32:], lport)
	binary.NativeEndian.PutUint16(b[34:], rport)
	binary.NativeEndian.PutUint64(b[36:], cookie)
	if cookie == 0 { // the kernel has none: Linux before 5.12
		binary.NativeEndian.PutUint32(b[44:], inum)
	}
	return maphash.Bytes(t.seed, b[:])
}

func (t *Table) keyOf(s *Socket) uint64 {
	return t.key(&s.Saddr, &s.Daddr, s.Lport, s.Rport, s.NetnsCookie, s.Netns)
}

// waiter returns the life whose mini-socket has the tuple of ev, or nil.
func (t *Table) waiter(ev *events.Event) *Socket {
	if t.byTuple.n == 0 {
		return nil
	}
	slot, ok := t.byTuple.get(t.key(&ev.Saddr, &ev.Daddr, ev.Lport, ev.Rport, ev.NetnsCookie, ev.Netns))
	if !ok {
		return nil
	}
	s := t.arena.at(slot)
	if s.Lport != ev.Lport || s.Rport != ev.Rport || s.Saddr != ev.Saddr || s.Daddr != ev.Daddr {
		return nil
	}
	return s
}

// waiterOf returns the life whose mini-socket has the tuple of s, or nil.
func (t *Table) waiterOf(s *Socket) *Socket {
	ev := events.Event{Netns: s.Netns, NetnsCookie: s.NetnsCookie, Saddr: s.Saddr, Daddr: s.Daddr, Lport: s.Lport, Rport: s.Rport}
	return t.waiter(&ev)
}
