package alert

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/expr-lang/expr/vm"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Options of an Engine.
type Options struct {
	// Booted is the wall-clock time at which the clock of the events was 0.
	Booted time.Time
	// Resend is after how long an alert that goes on firing is told again; 0 is never.
	Resend time.Duration
	// ResetReason names the kernel's enum sk_rst_reason; nil names none.
	ResetReason func(uint32) string
}

// Stats is what an Engine has counted.
type Stats struct {
	Overflow   uint64 // events and rows that were put together for want of room
	Suppressed uint64 // alerts held back by a limit
	Pending    int    // alerts that wait for their `for`
	Firing     int
}

// Engine watches over rules. It is a track.Sink; each method may be called from any
// goroutine. Whatever time it is told comes from its caller: it has no clock.
type Engine struct {
	options  Options
	index    [numKinds][stateSlots][]*tracker // which rules an event may concern
	sharers  [numKinds][]*tracker             // which count all events of the kind
	overflow atomic.Uint64

	mu         sync.Mutex // guards what follows, and the trackers
	vm         vm.VM
	rules      []*tracker
	lost       uint64 // in all
	losses     [events.NumWhere]window
	suppressed uint64
	now        uint64
}

const numKinds = int(events.Walked) + 1

var _ track.Sink = (*Engine)(nil)

// New returns an Engine of rules, which are its own from then on.
func New(rules []Rule, o Options) *Engine {
	e := &Engine{options: o}
	for w := range e.losses {
		e.losses[w] = newWindow(DefaultWindow)
	}
	for i := range rules {
		t := newTracker(&rules[i])
		e.rules = append(e.rules, t)
		if t.event != nil {
			t.event.ResetReason = o.ResetReason
		}
		for _, kind := range t.subject.kinds {
			e.enter(t, kind)
		}
	}
	return e
}

// enter notes which events of a kind a rule may be about.
func (e *Engine) enter(t *tracker, kind events.Kind) {
	if usesAll(t.Rule) {
		e.sharers[kind] = append(e.sharers[kind], t)
	}
	if t.guard.kinds&(1<<kind) == 0 {
		return
	}
	for slot := range stateSlots {
		if t.guard.to&(1<<slot) != 0 {
			e.index[kind][slot] = append(e.index[kind][slot], t)
		}
	}
}

// usesAll reports whether a rule asks how many events there were in all.
func usesAll(r *Rule) bool {
	return slices.ContainsFunc([]string{r.Expr, r.Clear}, func(source string) bool {
		return mentions(source, "share") || mentions(source, "all")
	})
}

// Observe implements track.Sink. An event that concerns no rule costs a look into a
// table, and neither memory nor a lock.
func (e *Engine) Observe(o *track.Observation) {
	ev := &o.Event
	if int(ev.Kind) >= numKinds {
		return
	}
	switch ev.Kind {
	case events.Lost:
		e.lose(ev)
		return
	case events.Inventory:
		if ev.To == model.Listen && o.Listen != nil && o.Listen.Counters != nil {
			e.Counters(ev.Time, ev.Netns, o.Listen.Counters)
		}
		return
	}
	if o.Socket != nil && o.Socket.Open() {
		return // a life as far as it went: no event
	}
	locked := false
	for _, t := range e.sharers[ev.Kind] {
		if !locked {
			locked = true
			e.mu.Lock()
		}
		t.all.add(ev.Time, 1)
	}
	for _, t := range e.index[ev.Kind][slotOf(ev.To)] {
		if !t.guard.passes(o) {
			continue
		}
		if !locked {
			locked = true
			e.mu.Lock()
		}
		if t.event.Match(o) && !t.count(o) {
			e.overflow.Add(1)
		}
	}
	if locked {
		e.mu.Unlock()
	}
}

func (e *Engine) lose(ev *events.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost += ev.LostCount
	e.losses[ev.Where%events.NumWhere].add(ev.Time, ev.LostCount)
	for _, t := range e.rules {
		t.lost.add(ev.Time, ev.LostCount)
	}
}

// Stats returns the counts so far.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Stats{Overflow: e.overflow.Load(), Suppressed: e.suppressed}
	for _, t := range e.rules {
		for _, g := range t.order {
			switch g.phase {
			case pending:
				s.Pending++
			case firing:
				s.Firing++
			}
		}
	}
	return s
}

// Active returns the alerts that fire and have been told, as they were last told.
// Their maps and lists are not to be changed.
func (e *Engine) Active() (all []Alert) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.rules {
		for _, g := range t.order {
			if g.phase == firing && g.told {
				all = append(all, g.alert)
			}
		}
	}
	return all
}
