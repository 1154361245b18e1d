package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// find applies what an inventory found. The stream knows better: a row about a
// socket that has had an event adds at most its owner.
func (t *Table) find(ev *events.Event) {
	switch ev.To {
	case model.TimeWait, model.NewSynRecv:
		// No event will ever end them here: they are shown, not kept.
		t.obs.InState = -1
		t.observe(ev, nil)
		return
	case model.Close:
		if ev.Rport == 0 || ev.Kind != events.Holder {
			return // never connected
		}
	}
	s := t.lookup(ev.SK)
	if s != nil {
		if ev.Kind == events.Holder && sameSocket(s, ev) {
			s.hold(ev)
		}
		return
	}
	if t.buried(ev.SK, ev.Time) {
		return
	}
	if s = t.add(ev); s == nil {
		return
	}
	s.Facts |= BeganBefore | OnlyFound
	s.Since = ev.Time // when it was found; InState is not told of such a socket
	s.Machine = model.Found(ev.To)
	s.State = ev.To
	s.Last = ev.Evidence
	s.learn(ev)
	s.lookBack(ev.To)
	s.own(ev)
	if ev.Kind == events.Holder {
		s.hold(ev)
	}
	if ev.To == model.Close {
		s.Facts |= Ended | Reported // its end was not seen: it is not told of
		t.stats.Open--
		t.stats.Held++
	}
	s.remember(Step{State: ev.To})
	if ev.Kind == events.Holder {
		ev.Kind = events.Inventory
		ev.Extra = 0
	}
	if ev.Recorded != nil {
		s.Owner, s.Role = ev.Recorded.Owner, ev.Recorded.Role
	}
	t.obs.InState = -1
	t.observe(ev, s)
}

func sameSocket(s *Socket, ev *events.Event) bool {
	return s.Cookie == 0 || ev.Cookie == 0 || s.Cookie == ev.Cookie
}
