package filter

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// listening is a listener found; all: with all that can be known of one.
func listening(all bool) *track.Observation {
	return edge(func(o *track.Observation) {
		o.Event.Kind, o.Event.To = events.Inventory, model.Listen
		o.Event.SetQueues(events.Queues{Accept: 4, AcceptLimit: 3, SYN: 65, SYNLimit: 64, Known: all})
		if all {
			o.Listen = &events.Listen{Unaccepted: 4, Counters: new(events.Counters)}
			o.Listen.Counters.Set(events.ListenOverflows, 12)
		}
	})
}

func TestEveryCounterHasAField(t *testing.T) {
	for n := range events.NumCounters {
		o := listening(true)
		o.Listen.Counters.Set(n, 77)
		f, err := New(Flags{}, "netns_counters."+n.String()+" == 77", byName)
		if err != nil {
			t.Error(err)
			continue
		}
		if !f.Match(o) {
			t.Errorf("%s is not 77", n)
		}
	}
}
