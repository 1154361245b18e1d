package found

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Queues is a Sink between Sockets and another one, which adds to each listener
// how many connections wait to be accepted, and what its network namespace
// counted; and to each half-open connection its age. It keeps listeners back until
// all the rest is told.
type Queues struct {
	sink      track.Sink
	listeners []track.Observation
	waiting   map[local]int // connections not accepted, by their own address
}

// local is where a listener listens, or a connection that was made to it.
type local struct {
	netns  uint32
	family events.Family
	addr   [16]byte
	port   uint16
}

// NewQueues hands on to sink.
func NewQueues(sink track.Sink) *Queues { return &Queues{sink: sink, waiting: map[local]int{}} }

// Observe implements track.Sink.
func (q *Queues) Observe(o *track.Observation) {
	ev := &o.Event
	switch {
	case ev.Kind == events.Inventory && ev.To == model.Listen:
		q.listeners = append(q.listeners, *o)
		return
	case ev.Kind == events.Inventory && ev.Handshaking() >= 0:
		o.InState = ev.Handshaking()
	case ev.Unaccepted():
		q.waiting[localOf(ev)]++
	}
	q.sink.Observe(o)
}

func localOf(ev *events.Event) local { return local{ev.Netns, ev.Family, ev.Saddr, ev.Lport} }

// Counting is what tells of network namespaces (probe.Snapshot).
type Counting interface {
	Walked(netns uint32) bool
	Counters(netns uint32) *events.Counters
}

// Finish hands on the listeners: the inventory is over.
func (q *Queues) Finish(namespaces Counting) {
	at := map[local]int{} // listeners of one address share its connections
	for i := range q.listeners {
		at[localOf(&q.listeners[i].Event)]++
	}
	unaccepted := map[local]int{}
	for where, n := range q.waiting {
		// As the kernel looks up a listener: the address itself before any address.
		if at[where] == 0 {
			where.addr = [16]byte{}
		}
		unaccepted[where] += n
	}
	for i := range q.listeners {
		o := &q.listeners[i]
		where := localOf(&o.Event)
		o.Listen = &events.Listen{Unaccepted: -1, Counters: namespaces.Counters(where.netns)}
		if at[where] == 1 && !o.Event.Has(model.MPTCP) && namespaces.Walked(where.netns) {
			o.Listen.Unaccepted = unaccepted[where]
		}
		q.sink.Observe(o)
	}
	q.listeners, q.waiting = nil, map[local]int{}
}
