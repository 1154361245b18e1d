package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// noteQueues takes over how full the queues of a listener found are. In a row
// they stand in the place of evidence, which a listener has none of.
func (s *Socket) noteQueues(ev *events.Event) {
	if ev.Kind != events.Inventory || ev.To != model.Listen {
		return
	}
	s.Queues = ev.Queues()
	s.Last.BytesAcked, s.Last.BytesReceived = 0, 0
}

// showQueues writes them into a row.
func (s *Socket) showQueues(ev *events.Event) {
	if ev.To == model.Listen {
		ev.SetQueues(s.Queues)
	}
}

// presentRecorded hands on a row of a recording with all that its line said.
func (t *Table) presentRecorded(s *Socket, ev *events.Event) {
	if r := ev.Recorded; r != nil {
		t.obs.Listen = r.Listen
	}
	t.present(s)
}
