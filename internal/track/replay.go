package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// resume takes up a recorded life after lines that are not in the recording,
// because a filter left them out: what they would have told is taken from the
// line at hand.
func (t *Table) resume(s *Socket, ev *events.Event) {
	s.Facts |= Filtered
	s.Steps = ev.Step - 1
	s.State = ev.From
	s.Machine = model.Found(ev.From)
	if ev.InState >= 0 {
		s.Since = ev.Time - uint64(ev.InState)
	}
	s.lookBack(ev.From)
	if r := ev.Recorded; r != nil {
		s.Role, s.Owner = r.Role, r.Owner
	}
}

// replayClosed takes the recorded end of a life. The table makes its own from
// what it has seen; where lines are missing, it hands on the recorded one.
func (t *Table) replayClosed(ev *events.Event) {
	s := t.lookup(ev.SK)
	if s != nil && !s.Is(Filtered) {
		return
	}
	t.observe(ev, nil)
	if s != nil {
		s.Facts |= Reported
	}
}
