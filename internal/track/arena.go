package track

// The sockets live in chunks that never move, linked by slot number instead of
// pointers, so that the garbage collector has nothing to scan.

const chunkSize = 1024

type arena struct {
	chunks []*[chunkSize]Socket
	used   int32 // slots handed out at least once
	free   list
}

func (a *arena) at(slot int32) *Socket { return &a.chunks[slot/chunkSize][slot%chunkSize] }

// take returns a cleared socket: new memory is, and what was given back.
func (a *arena) take() *Socket {
	slot := a.free.head
	if a.free.n > 0 {
		a.remove(&a.free, slot)
	} else {
		slot = a.used
		a.used++
		if int(slot)/chunkSize == len(a.chunks) {
			a.chunks = append(a.chunks, new([chunkSize]Socket))
		}
	}
	s := a.at(slot)
	s.slot, s.prev, s.next = slot, 0, 0
	return s
}

func (a *arena) give(s *Socket) {
	slot := s.slot
	*s = Socket{slot: slot}
	a.push(&a.free, slot)
}

// list is a queue of slots. A socket is in at most one.
type list struct{ head, tail, n int32 }

func (a *arena) push(l *list, slot int32) {
	s := a.at(slot)
	s.prev, s.next = l.tail, -1
	if l.n == 0 {
		l.head, s.prev = slot, -1
	} else {
		a.at(l.tail).next = slot
	}
	l.tail = slot
	l.n++
}

// insert puts slot before those at the end of l that it is less than.
func (a *arena) insert(l *list, slot int32, less func(a, b *Socket) bool) {
	s := a.at(slot)
	after := l.tail
	for n := l.n; n > 0 && less(s, a.at(after)); n-- {
		after = a.at(after).prev
	}
	if l.n == 0 || after == l.tail {
		a.push(l, slot)
		return
	}
	s.prev = after
	if after < 0 {
		s.next, l.head = l.head, slot
	} else {
		s.next = a.at(after).next
		a.at(after).next = slot
	}
	a.at(s.next).prev = slot
	l.n++
}

func (a *arena) remove(l *list, slot int32) {
	s := a.at(slot)
	if s.prev >= 0 {
		a.at(s.prev).next = s.next
	} else {
		l.head = s.next
	}
	if s.next >= 0 {
		a.at(s.next).prev = s.prev
	} else {
		l.tail = s.prev
	}
	s.prev, s.next = -1, -1
	l.n--
}
