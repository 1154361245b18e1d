package events

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/model"
)

func TestQueues(t *testing.T) {
	for _, want := range []Queues{
		{},
		{Accept: 3, AcceptLimit: 128},
		{Accept: 3, AcceptLimit: 128, SYN: 65, SYNLimit: 64, Young: 7, Known: true},
		{AcceptLimit: ^uint32(0), SYNLimit: ^uint32(0), Young: ^uint32(0), Known: true},
		{Known: true},
	} {
		var e Event
		e.SetQueues(want)
		if got := e.Queues(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if n, limit := e.AcceptQueue(); n != want.Accept || limit != want.AcceptLimit {
			t.Errorf("accept queue %d of %d, want that of %+v", n, limit, want)
		}
	}
}

func TestHalfOpen(t *testing.T) {
	var e Event
	if age := e.HalfOpen(); age != -1 {
		t.Errorf("%d ns, want unknown", age)
	}
	e.BytesAcked, e.Extra = 1500, 0xffff0000
	if age, listener := e.HalfOpen(), e.Listener(); age != 1500 || listener != 0xffff0000 {
		t.Errorf("%d ns with %#x, want 1500 with 0xffff0000", age, listener)
	}
}

func TestUnaccepted(t *testing.T) {
	row := func(to model.State, flags model.Flags) Event {
		return Event{Kind: Inventory, To: to, Evidence: model.Evidence{Flags: flags}}
	}
	for _, c := range []struct {
		row  Event
		want bool
	}{
		{row(model.Established, 0), true},
		{row(model.CloseWait, model.KeepOpen), true},
		{row(model.SynRecv, model.TFO), true},
		{row(model.Established, model.HasSocket), false},
		{row(model.FinWait1, model.Dead), false},
		{row(model.Established, model.MPTCP), false},
		{row(model.Listen, 0), false},
		{row(model.TimeWait, 0), false},
		{row(model.NewSynRecv, 0), false},
		{row(model.Close, 0), false},
		{Event{Kind: Transition, To: model.Established}, false},
	} {
		if got := c.row.Unaccepted(); got != c.want {
			t.Errorf("%v %v: %v, want %v", c.row.To, c.row.Flags, got, c.want)
		}
	}
}
