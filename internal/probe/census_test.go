package probe

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

func rowOf(sk, extra uint64, state model.State, flags model.Flags) events.Event {
	return events.Event{Kind: events.Inventory, SK: sk, Cookie: sk, Extra: extra, To: state, Evidence: model.Evidence{Flags: flags}}
}

func holderOf(sk uint64) events.Event { return events.Event{Kind: events.Holder, SK: sk} }

// What must have a file, and has none after two looks, is unheld; nothing else.
func TestCensus(t *testing.T) {
	const socket = model.HasSocket
	rows := []events.Event{
		rowOf(1, 0, model.Established, socket),              // held
		rowOf(2, 0, model.Established, socket),              // held when looked at again
		rowOf(3, 0, model.Established, socket),              // ended meanwhile
		rowOf(4, 0, model.Established, socket),              // in flight
		rowOf(5, 0, model.Established, 0),                   // not accepted
		rowOf(6, 0, model.FinWait1, socket|model.Dead),      // an orphan
		rowOf(7, 0, model.Established, socket|model.Kernel), // the kernel's own
		rowOf(8, 70, model.Established, socket|model.MPTCP), // held by way of 70
		rowOf(9, 71, model.Established, socket|model.MPTCP), // in flight with 71
		rowOf(10, 0, model.Established, socket|model.MPTCP), // nobody knows above what
		rowOf(11, 9, model.Listen, socket|model.MPTCP),      // extra is a queue
		rowOf(12, 1e9, model.TimeWait, 0),                   // no file
		rowOf(13, 0, model.Listen, socket),                  // in flight
		rowOf(14, 0, model.Close, socket),                   // reset, told of by its fd
	}
	c := census{held: map[uint64]bool{}, lacking: map[uint64][]events.Event{}}
	c.look([]events.Event{holderOf(1), holderOf(70)})
	c.look(rows)
	again := c.lookAgain([]events.Event{holderOf(1), holderOf(2), holderOf(99), holderOf(2)})
	if len(again) != 2 || again[0].SK != 2 || again[1].SK != 2 {
		t.Errorf("%+v, want both holders of 2", again)
	}
	for file := range c.held {
		delete(c.lacking, file)
	}
	var now []events.Event
	for _, row := range rows {
		if row.SK != 3 {
			now = append(now, row)
		}
	}
	other := rowOf(4, 0, model.Established, socket) // the address has a new socket
	other.Cookie = 44
	var got []uint64
	for _, row := range c.unheld(append(now, other)) {
		if row.Kind != events.Unheld {
			t.Errorf("%+v is no Unheld", row)
		}
		got = append(got, row.SK)
	}
	if len(got) != 3 || got[0] != 4 || got[1] != 9 || got[2] != 13 {
		t.Errorf("unheld: %v, want 4, 9 and 13", got)
	}
}
