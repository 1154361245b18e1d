package track

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// rows is a Sink that keeps what it is told.
type rows []Observation

func (r *rows) Observe(o *Observation) { *r = append(*r, *o) }

// The queues of a listener found are told of with its row, whether an fd told of
// it before or not, and are never taken for evidence.
func TestQueuesOfListenerFound(t *testing.T) {
	want := events.Queues{Accept: 3, AcceptLimit: 128, SYN: 65, SYNLimit: 64, Young: 60, Known: true}
	row := events.Event{Kind: events.Inventory, Time: 2e9, SK: 1, Cookie: 7, To: model.Listen, Family: events.IPv4, Lport: 80, InState: -1}
	row.SetQueues(want)
	holder := events.Event{Kind: events.Holder, Time: 1e9, SK: 1, Cookie: 7, To: model.Listen, Family: events.IPv4, Lport: 80, PID: 5, InState: -1}
	for name, stream := range map[string][]events.Event{"row": {row}, "fd and row": {holder, row}} {
		t.Run(name, func(t *testing.T) {
			var all rows
			table := New(Options{}, &all)
			for _, ev := range append(stream, events.Event{Kind: events.Found, Time: 3e9}) {
				table.Apply(&ev)
			}
			life := table.Rows(nil)[0]
			if s, ok := table.Socket(&life); !ok || s.Last.BytesAcked != 0 || s.Last.BytesReceived != 0 {
				t.Errorf("evidence %+v, want none", s.Last)
			}
			table.Finish()
			if len(all) != 1 || all[0].Event.Queues() != want {
				t.Errorf("told of %+v, want one row with %+v", all, want)
			}
		})
	}
}

// How long a half-open connection has waited is known of it alone.
func TestHalfOpenFound(t *testing.T) {
	for _, c := range []struct {
		state model.State
		age   uint64
		want  int64
	}{{model.NewSynRecv, 3e9, 3e9}, {model.NewSynRecv, 0, -1}, {model.TimeWait, 3e9, -1}} {
		var all rows
		ev := events.Event{Kind: events.Inventory, Time: 1, SK: 1, To: c.state, InState: -1}
		ev.BytesAcked = c.age
		table := New(Options{}, &all)
		table.Apply(&ev)
		table.Finish()
		if len(all) != 1 || all[0].InState != c.want || all[0].Began != BeganInPast {
			t.Errorf("%v: %+v, want %d ns, began before", c.state, all, c.want)
		}
	}
}
