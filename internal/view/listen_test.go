package view

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

func TestQueuesOfListeners(t *testing.T) {
	for _, c := range []struct {
		state  model.State
		queues events.Queues
		more   *events.Listen
		want   [2]string
	}{
		{model.Listen, events.Queues{SYN: 3, SYNLimit: 128, Known: true}, &events.Listen{Unaccepted: 2}, [2]string{"3/128", "2"}},
		{model.Listen, events.Queues{Accept: 1, AcceptLimit: 128}, &events.Listen{Unaccepted: -1}, [2]string{"-", "-"}},
		{model.Listen, events.Queues{Known: true}, nil, [2]string{"0/0", "-"}},
		{model.NewSynRecv, events.Queues{}, nil, [2]string{"0 again", "-"}},
		{model.Established, events.Queues{SYN: 9, Known: true}, nil, [2]string{"-", "-"}},
	} {
		o := track.Observation{Event: events.Event{Kind: events.Inventory, To: c.state}, Listen: c.more}
		o.Event.SetQueues(c.queues)
		if got := [2]string{synQueue(&o), unaccepted(&o)}; got != c.want {
			t.Errorf("%v %+v %+v: %q, want %q", c.state, c.queues, c.more, got, c.want)
		}
	}
}
