// Package track keeps the life of every socket: it applies the events of a
// Source to a bounded table, asks the model what to think of each, and hands
// the result to a Sink.
package track

import (
	"hash/maphash"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// DefaultMaxSockets bounds the table: about 650 MB when it is full.
const DefaultMaxSockets = 1 << 20

// lateEvidence is how long a socket that reached CLOSE waits for the reset
// that the kernel may send for it just after, in ns of event time.
const lateEvidence = 10e6

// Options of a Table. The zero value keeps nothing of the closed.
type Options struct {
	// MaxSockets bounds the sockets kept, open and closed together; 0 means
	// DefaultMaxSockets.
	MaxSockets int
	// KeepClosed bounds how many closed lives stay; the oldest go first.
	KeepClosed int
	// LookEvery, in ns, asks for looks that often, whether anything happens or not:
	// descriptors and queues change without an event. 0 leaves it to need.
	LookEvery uint64
	// Life says that lives come whole, and returns the one that an event of kind
	// LifeEnd is about; nil if they do not.
	Life func() *events.History
	// Replay says that the events come from a recording.
	Replay bool
	// ResetReason names the kernel's enum sk_rst_reason; nil names none.
	ResetReason func(reason uint32) string
}

// Table is the socket table. One goroutine uses it.
type Table struct {
	options Options
	sink    Sink
	arena   arena
	bySK    index // the life that a socket's address belongs to now
	ending  list  // reached CLOSE, waiting for late evidence, oldest first
	waiting list  // Waiting
	untold  list  // Untold
	closed  list  // reported and destroyed, oldest first
	// The mini-sockets, by tuple; and those that are presumed, leaving, or
	// replaced by a connection not yet known, in the order of their ends.
	byTuple                   index
	presumed, leaving, reused list
	retiredWaiting            int     // lives that only a mini-socket keeps
	starts                    []start // mini-sockets whose full socket has yet to end
	start                     start   // reused
	timers                    bool    // the timers of mini-sockets are watched
	timersSince               uint64
	seed                      maphash.Seed
	looks                     looks
	nextID                    uint64
	losses                    uint64 // events that the stream has lost so far
	// A loss is told of at the beginning of a pass of the reader, but the hole
	// may lie anywhere in that pass, or even at the beginning of the next one,
	// whose first records may have been on their way already. So an event is
	// sure to come after those losses only that were known two Ticks ago.
	recent  uint64 // losses as of the newest Tick
	certain uint64 // losses as of the one before: nothing that comes now is older than these
	looking bool   // the inventory is under way
	// While the inventory is under way: when each address was last given up, so
	// that a row about a socket that is gone by now does not bring it back.
	gone       map[uint64]uint64
	above      map[uint64]events.Owner // while looking: see noteAbove
	forgotten  uint64                  // the newest time dropped from gone, which is bounded
	time       uint64                  // newest Tick
	tableLost  uint64                  // not yet reported
	doubtUntil uint64                  // lives that began by then may lack a step: see Options.Life
	stats      Stats
	changes    uint64
	obs        Observation  // reused
	end        model.Ending // reused
}

// New returns an empty table that reports to sink.
func New(o Options, sink Sink) *Table {
	if o.MaxSockets <= 0 {
		o.MaxSockets = DefaultMaxSockets
	}
	return &Table{
		options: o, sink: sink,
		looking: !o.Replay,
		gone:    map[uint64]uint64{},
		above:   map[uint64]events.Owner{},
		obs:     Observation{InState: -1},
		seed:    maphash.MakeSeed(),
		starts:  make([]start, 0, maxStarts),
	}
}

// Apply takes the next event of the stream. It may overwrite ev.
func (t *Table) Apply(ev *events.Event) {
	if ev.Kind != events.Tick {
		t.changes++
	}
	switch ev.Kind {
	case events.Tick:
		t.time = ev.Time
		t.certain, t.recent = t.recent, t.losses
		t.settle(ev.Time)
		t.tellFound(ev.Time)
		t.reportTableLoss(ev.Time)
		t.compare(ev.Time)
	case events.LifeEnd:
		t.digest(t.options.Life())
	case events.Lost:
		if t.options.Life != nil {
			t.loseLives(ev)
			return
		}
		t.lose(ev)
	case events.Look:
		t.look(ev.Time)
	case events.Walked:
		t.walked(ev)
	case events.Found:
		t.looking = false
		clear(t.gone)
		clear(t.above)
		t.forgotten = 0
		t.stopWaiting()
		t.looked(ev)
	case events.TimersOn:
		t.timers, t.timersSince = true, ev.Time
		t.looks.again = t.looks.number > 0 // what began since the newest look was not told of
	case events.TWStart, events.TWCancel, events.TWExpire:
		t.settle(ev.Time)
		t.timeWait(ev)
	case events.Mini:
		t.replayTimeWait(ev)
	case events.Inventory, events.Holder:
		t.find(ev)
	case events.Closed:
		t.replayClosed(ev)
	case events.Transition:
		t.settle(ev.Time)
		t.transition(ev)
	case events.Destroy:
		t.destroy(ev)
	case events.Read, events.Accept:
		t.use(ev)
	default:
		t.settle(ev.Time)
		t.notice(ev)
	}
}

// Finish reports what still waits for late evidence: the stream has ended.
func (t *Table) Finish() {
	t.settle(^uint64(0))
	for len(t.starts) > 0 {
		t.adoptStart()
	}
	t.stopWaiting()
	t.tellFound(^uint64(0))
	t.reportTableLoss(t.time)
}

// lose notes a hole in the stream.
func (t *Table) lose(ev *events.Event) {
	if ev.Where != events.WhereTable { // a full table loses sockets, not the stream
		t.losses += ev.LostCount
	}
	if t.options.Replay { // the line stands in its place; there are no Ticks
		t.recent, t.certain = t.losses, t.losses
	}
	t.stats.Lost[ev.Where%events.NumWhere] += ev.LostCount
	t.observe(ev, nil)
}

// reportTableLoss tells how many sockets found no room since the last time.
func (t *Table) reportTableLoss(time uint64) {
	if t.tableLost == 0 {
		return
	}
	ev := events.Event{Kind: events.Lost, Time: time, Where: events.WhereTable, LostCount: t.tableLost, InState: -1}
	t.stats.Lost[events.WhereTable] += t.tableLost
	t.tableLost = 0
	t.observe(&ev, nil)
}

// observe hands ev to the sink in the light of s, which may be nil.
func (t *Table) observe(ev *events.Event, s *Socket) {
	t.changes++
	o := &t.obs
	o.Event = *ev
	t.quote(ev.Recorded)
	if s != nil {
		s.show(&o.Event)
		o.ID, o.Owner, o.Role, o.Step = s.ID, s.Owner, s.Role, s.Steps
		o.Began = BeganSeen
		if s.Is(BeganBefore) {
			o.Began = BeganInPast
		}
	} else {
		o.ID, o.Owner, o.Role, o.Step, o.Began = 0, events.Owner{FD: -1}, model.RoleUnknown, 0, BeganSeen
		if r := ev.Recorded; r != nil {
			o.ID, o.Owner, o.Role = ev.Socket, r.Owner, r.Role
		}
		if ev.Kind == events.Inventory {
			o.Began = BeganInPast
		}
	}
	t.sink.Observe(o)
	o.clear()
}

// add makes room for a new life and enters it under ev's address. It returns
// nil if the table is full of open sockets.
func (t *Table) add(ev *events.Event) *Socket {
	if !t.makeRoom() {
		return nil
	}
	s := t.take(ev)
	s.SK = ev.SK
	t.bySK.put(ev.SK, s.slot)
	t.stats.Open++
	return s
}

// makeRoom reports whether there is room for one more life: a closed one goes
// for it.
func (t *Table) makeRoom() bool {
	if t.bySK.n+t.retiredWaiting+int(t.closed.n) < t.options.MaxSockets {
		return true
	}
	if t.closed.n == 0 {
		t.tableLost++
		return false
	}
	t.evict()
	return true
}

// take begins a life.
func (t *Table) take(ev *events.Event) *Socket {
	s := t.arena.take()
	s.ID = ev.Socket
	if s.ID == 0 {
		t.nextID++
		s.ID = t.nextID
	}
	s.Born, s.Owner.FD, s.lossMark = ev.Time, -1, t.certain
	if t.options.Life != nil {
		s.Machine.Numbers.Ignore() // steps that the kernel kept have none
	}
	return s
}

func (t *Table) evict() {
	t.changes++
	s := t.arena.at(t.closed.head)
	t.arena.remove(&t.closed, s.slot)
	t.arena.give(s)
	t.stats.Closed--
	t.stats.Evicted++
}

// lookup returns the life that has the address now, or nil.
func (t *Table) lookup(sk uint64) *Socket {
	if slot, ok := t.bySK.get(sk); ok {
		return t.arena.at(slot)
	}
	return nil
}

// release takes the address from a life. An ended life is reported first if it
// still waits, and then kept among the closed, if those are kept.
func (t *Table) release(s *Socket) {
	t.changes++
	if s.Is(Ended) && !s.Is(Reported) {
		t.arena.remove(&t.ending, s.slot)
		t.report(s)
	}
	t.bySK.drop(s.SK)
	t.bury(s.SK, max(s.EndTime, s.Since))
	s.Facts |= Retired
	if s.Open() {
		t.stats.Open--
	} else {
		t.stats.Held--
	}
	if s.Mini.indexed() {
		t.retiredWaiting++
		return
	}
	t.layDown(s)
}

// layDown keeps a life that is over among the closed, if those are kept.
func (t *Table) layDown(s *Socket) {
	if t.options.KeepClosed <= 0 {
		t.arena.give(s)
		return
	}
	t.arena.push(&t.closed, s.slot)
	t.stats.Closed++
	if int(t.closed.n) > t.options.KeepClosed {
		t.evict()
	}
}

// bury notes, while the inventory is under way, that an address was given up:
// an older row about it is of no socket any more.
func (t *Table) bury(sk, time uint64) {
	if !t.looking {
		return
	}
	if len(t.gone) >= t.options.MaxSockets {
		for _, at := range t.gone {
			t.forgotten = max(t.forgotten, at)
		}
		clear(t.gone)
	}
	t.gone[sk] = max(t.gone[sk], time)
}

// buried reports whether the address was given up at or after time.
func (t *Table) buried(sk, time uint64) bool {
	return t.gone[sk] >= time || t.forgotten >= time
}
