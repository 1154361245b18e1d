package waits

import (
	"cmp"
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// Listener is one that connections wait for.
type Listener struct {
	Netns      uint32
	Family     events.Family
	Addr       [16]byte
	Port       uint16
	PID        uint32
	Comm       [16]byte
	Provenance events.Provenance
	Queues     events.Queues
	Unaccepted int              // -1 if not known
	Counters   *events.Counters // of its namespace, nil if not read
}

func (c *Collector) listens(o *track.Observation) {
	ev := &o.Event
	l := &Listener{
		Netns: ev.Netns, Family: ev.Family, Addr: ev.Saddr, Port: ev.Lport,
		PID: o.Owner.PID, Comm: o.Owner.Comm, Provenance: o.Owner.Provenance, Queues: ev.Queues(), Unaccepted: -1,
	}
	if o.Listen != nil {
		l.Unaccepted, l.Counters = o.Listen.Unaccepted, o.Listen.Counters
	}
	c.listening[door{ev.Netns, ev.Lport}] = l
	c.order = append(c.order, l)
}

// Full reports whether the accept queue has no room: Linux compares with >.
func (l *Listener) Full() bool { return l.Queues.Accept > l.Queues.AcceptLimit }

// Overflows returns how often an accept queue of the listener's namespace had no
// room; which listener's, the kernel does not say.
func (l *Listener) Overflows() (n uint64, known bool) {
	if l.Counters == nil {
		return 0, false
	}
	return l.Counters.Get(events.ListenOverflows)
}

// waitedFor returns the listeners with something in a queue, the fullest first.
func (c *Collector) waitedFor() (some []Listener) {
	for _, l := range c.order {
		if l.Queues.Accept > 0 || l.Queues.SYN > 0 || l.Unaccepted > 0 {
			some = append(some, *l)
		}
	}
	fill := func(l *Listener) float64 { return float64(l.Queues.Accept) / float64(l.Queues.AcceptLimit+1) }
	slices.SortStableFunc(some, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(fill(&b), fill(&a)), cmp.Compare(b.Queues.SYN, a.Queues.SYN), cmp.Compare(a.Port, b.Port))
	})
	return some
}
