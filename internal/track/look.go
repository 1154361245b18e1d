package track

import (
	"fmt"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// An inventory that is made during the watch (a look) puts the table right: what
// the kernel has and the table lacks is added, what the table has and the kernel
// does not is given up, and a state that differs is taken over. Each is counted:
// where nothing was lost there is nothing to mend.
//
// A row says what was there when it was read, and the stream may be behind or
// ahead of it. So the comparison waits until the stream has passed the end of
// the look, and is about those sockets only to which nothing has happened since
// the look began: an fd is read before the namespace of its socket is walked.

// Mending counts what looks have found.
type Mending struct {
	Looks   uint64 // comparisons made
	Missing uint64 // sockets that were not known, and should have been
	Phantom uint64 // sockets that were known, and gone
	State   uint64 // sockets taken to be in another state
}

// Total returns how many sockets were put right.
func (m *Mending) Total() uint64 { return m.Missing + m.Phantom + m.State }

// String says what was put right.
func (m *Mending) String() string {
	return fmt.Sprintf("%s put right by %s (%d missing, %d phantom, %d in another state)",
		plural(m.Total(), "socket"), plural(m.Looks, "look"), m.Missing, m.Phantom, m.State)
}

// Between two looks, in ns of event time.
const (
	lookEvery      = 60e9 // while anything happens
	lookForOwners  = 30e9 // while accepted sockets have no owner but their listener's
	lookForMinis   = 5e9  // while mini-sockets wait and their timers are not watched
	lookWhenFull   = 10e9 // while the table has no room for all
	unreachableFor = 120e9
)

// absences is how many looks in a row must miss a socket before it is believed
// to be gone: an iterator of some kernels passes by a socket whose neighbour in
// the hash table moves while it looks.
const absences = 2

// maxNamespaces bounds the network namespaces remembered from earlier looks.
const maxNamespaces = 1 << 16

// looks is the state of the look under way, and what is known of earlier ones.
type looks struct {
	number      uint32 // of looks begun
	running     bool
	over        bool // every row is in; the stream may have to catch up
	complete    bool // nothing kept the look from a namespace
	began       uint64
	until       uint64
	losses      uint64 // as of its beginning
	transitions uint64
	last        uint64 // when the newest comparison was made
	again       bool   // something was not met, and needs a second look
	wantOwners  bool
	tableLost   uint64
	namespaces  []walk
	known       map[netnsKey]struct{} // walked before
}

// walk is one network namespace of a look.
type walk struct {
	inum   uint32
	cookie uint64
}

type netnsKey struct {
	cookie uint64
	inum   uint32 // 0 where there is a cookie: numbers are used again
}

func keyOfNetns(cookie uint64, inum uint32) netnsKey {
	if cookie != 0 {
		inum = 0
	}
	return netnsKey{cookie, inum}
}

// met is what the newest look that met a socket saw.
type met struct {
	look   uint32
	state  model.State
	missed uint8 // looks in a row that did not meet it
	taken  bool  // the look met another socket at the address
}

// look begins a look.
func (t *Table) look(time uint64) {
	l := &t.looks
	l.number++
	l.running, l.over, l.again, l.wantOwners = true, false, false, false
	l.began = time
	l.losses, l.transitions, l.tableLost = t.losses, t.stats.Transitions, t.stats.Lost[events.WhereTable]
	l.namespaces = l.namespaces[:0]
	t.looking = true
}

// walked notes that the sockets of a namespace have all been handed over.
func (t *Table) walked(ev *events.Event) {
	t.looks.namespaces = append(t.looks.namespaces, walk{ev.Netns, ev.NetnsCookie})
}

// looked ends a look: what follows is compared once the stream has reached time.
// One that broke off proves no absence, and is made again.
func (t *Table) looked(ev *events.Event) {
	l := &t.looks
	switch {
	case !l.running:
	case ev.Err != 0:
		l.running, l.again, l.last = false, true, ev.Time
	default:
		l.over, l.until, l.complete = true, ev.Time, ev.LostCount == 0
	}
}

// LookBy returns when the table next needs a look, in ns since boot; 0 if it
// does not. That may be in the past.
func (t *Table) LookBy() uint64 {
	l := &t.looks
	switch {
	case t.options.Replay || l.running || l.number == 0:
		return 0
	case l.again || t.losses != l.losses:
		return max(l.last, 1)
	case t.options.LookEvery > 0:
		return l.last + t.options.LookEvery
	case !t.timers && t.stats.Waiting+int(t.presumed.n) > 0:
		return l.last + lookForMinis
	case t.stats.Lost[events.WhereTable] != l.tableLost:
		return l.last + lookWhenFull
	case l.wantOwners:
		return l.last + lookForOwners
	case t.stats.Transitions != l.transitions:
		return l.last + lookEvery
	}
	return 0
}

// meets notes that the look under way met s.
func (t *Table) meets(s *Socket, ev *events.Event) {
	s.met = met{look: t.looks.number, state: ev.To, missed: s.met.missed}
	s.hear(ev)
	if ev.Time <= s.Since || !s.Open() {
		return
	}
	s.learn(ev) // the event that told of its port may have been lost
	if ev.Kind == events.Inventory {
		s.Last = ev.Evidence // the newest queues and counters
	}
}

// takes notes that the look under way met another socket at the address of s.
// Unless the stream says so too by the time of its end, the end of s was lost.
func (t *Table) takes(s *Socket, ev *events.Event) {
	if ev.Time > s.Since && ev.Cookie != 0 {
		s.met = met{look: t.looks.number, taken: true}
	}
}

// compare puts the table right after a look, once the stream has reached its
// end.
func (t *Table) compare(time uint64) {
	l := &t.looks
	if !l.over || time < l.until {
		return
	}
	for slot := range t.arena.used {
		s := t.arena.at(slot)
		if s.ID == 0 || s.Facts&(Waiting|Untold) != 0 {
			continue
		}
		w := t.walkOf(s)
		if s.Mini.indexed() {
			t.compareMini(s, w, time)
			if s.ID == 0 {
				continue
			}
		}
		if !s.Is(Retired) {
			t.compareSocket(s, w, time)
		}
	}
	t.stats.Mended.Looks++
	l.running, l.over, l.last = false, false, time
	t.remember(l.namespaces)
}

// walkOf returns the walk of the namespace that s lives in, or nil.
func (t *Table) walkOf(s *Socket) *walk {
	namespaces := t.looks.namespaces
	for i := range namespaces {
		w := &namespaces[i]
		if w.cookie != 0 && s.NetnsCookie != 0 {
			if w.cookie == s.NetnsCookie {
				return w
			}
		} else if w.inum == s.Netns {
			return w
		}
	}
	return nil
}

// compareSocket compares a full socket.
func (t *Table) compareSocket(s *Socket, w *walk, time uint64) {
	began := t.looks.began
	seen := s.met.look == t.looks.number
	switch {
	case seen && s.met.taken:
		s.met.missed = absences
	case seen:
		s.met.missed = 0
		if s.Since < began {
			t.agree(s)
		}
		return
	case s.Open() && w == nil && (!t.looks.complete || t.losses == 0 || time < s.Since+unreachableFor):
		return // in a namespace that cannot be looked into
	case s.Open() && s.Since >= began:
		return // younger than the look
	case !s.Open() && (t.losses == s.lossMark || s.EndTime >= began):
		return // held: the walks show it only where they reach its fd
	}
	if s.met.missed++; s.met.missed < absences {
		t.looks.again = true
		return
	}
	if s.Open() {
		t.stats.Mended.Phantom++
	}
	t.looks.again = true // its address may have been another's already, whose row was not taken
	t.dismiss(s)
}

// agree compares the state of a socket that a look has met and to which nothing
// has happened since.
func (t *Table) agree(s *Socket) {
	switch state := s.met.state; {
	case state == s.State:
		s.lossMark = max(s.lossMark, t.looks.losses)
	case !s.Open():
		t.looks.again = true // connected again, and we did not hear of it
		t.release(s)
	case state == model.Close:
		t.stats.Mended.Phantom++ // a held socket whose end was not seen
		t.conclude(s)
		t.report(s)
		s.State = model.Close
	default:
		s.lossMark = max(s.lossMark, t.looks.losses)
		t.mend(s, state, t.looks.until)
	}
}

// mend takes over the state in which a socket was found at time.
func (t *Table) mend(s *Socket, state model.State, time uint64) {
	t.stats.Mended.State++
	s.Facts |= OnlyFound | Incomplete | Repaired
	s.State, s.Since = state, time
	s.Machine = model.Found(state)
	s.lookBack(state)
	s.remember(Step{State: state})
	t.obs.Mended = MendedState
	t.present(s)
}

// compareMini compares a mini-socket.
func (t *Table) compareMini(s *Socket, w *walk, time uint64) {
	m := &s.Mini
	switch {
	case m.stage == miniLeaving || m.stage == miniReused:
		return
	case m.met.look == t.looks.number:
		m.met.missed = 0
		return
	case w == nil && time < max(s.EndTime+presumedFor, m.Expires+unreachableFor):
		return // in a namespace that cannot be looked into
	case w != nil && max(m.Seen, m.Since) >= t.looks.began:
		return
	}
	if m.met.missed++; m.met.missed < absences {
		t.looks.again = true
		return
	}
	if t.timers && m.stage == miniThere {
		t.stats.Mended.Phantom++
	}
	if m.stage == miniPresumed && m.Substate == model.FinWait2 {
		t.forgetMini(s)
		return
	}
	m.EndTime = time
	end := model.TWUnknown
	if w != nil && m.stage == miniThere && m.Expires <= t.looks.began {
		m.EndTime, end = m.Expires, model.TWExpired
	}
	t.endMini(s, end)
}

// remember notes which namespaces have been walked: a socket found there later
// should have been known.
func (t *Table) remember(walks []walk) {
	l := &t.looks
	if l.known == nil || len(l.known) > maxNamespaces {
		l.known = map[netnsKey]struct{}{}
	}
	for _, w := range walks {
		l.known[keyOfNetns(w.cookie, w.inum)] = struct{}{}
	}
}

// expected reports whether a socket of the namespace that a look finds should
// have been known: an earlier look has walked there.
func (t *Table) expected(ev *events.Event) bool {
	if t.options.Replay || t.looks.number < 2 {
		return false
	}
	_, ok := t.looks.known[keyOfNetns(ev.NetnsCookie, ev.Netns)]
	if !ok { // the kernel did not give user space the cookie (before 5.14)
		_, ok = t.looks.known[keyOfNetns(0, ev.Netns)]
	}
	return ok
}
