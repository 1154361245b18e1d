package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// find applies what an inventory found. The stream knows better: a row about a
// socket that has had an event adds at most its owner.
//
// A socket found is reported late: when the stream has caught up with the row,
// so that no older event can contradict it, and when both halves of the
// inventory, the fd and the row, are in.
func (t *Table) find(ev *events.Event) {
	if ev.Kind == events.Holder && ev.Subflows() {
		t.noteAbove(ev)
		return
	}
	switch ev.To {
	case model.TimeWait:
		if ev.Kind == events.Inventory {
			t.findMini(ev)
		}
		return
	case model.NewSynRecv:
		if ev.Kind == events.Holder {
			return // an fd of a full socket only: a kernel that we do not know
		}
		// No event will ever end it here: it is shown, not kept.
		t.obs.InState = ev.Handshaking()
		t.observe(ev, nil)
		return
	case model.Close:
		if ev.Rport == 0 || ev.Kind != events.Holder && !t.options.Replay {
			return // never connected
		}
	}
	s := t.lookup(ev.SK)
	if s != nil && s.Is(Destroyed) && ev.Time > s.EndTime && !sameSocket(s, ev) {
		t.release(s) // no late evidence can come any more: its memory is another's
		s = nil
	}
	if s != nil {
		t.refine(s, ev)
		return
	}
	if t.buried(ev.SK, ev.Time) {
		return
	}
	if s = t.add(ev); s == nil {
		return
	}
	s.Facts |= BeganBefore | OnlyFound
	if t.expected(ev) {
		s.Facts |= Repaired
	}
	s.met.look, s.met.state = t.looks.number, ev.To
	s.Since = ev.Time // when it was found; InState is not told of such a socket
	s.Machine = model.Found(ev.To)
	s.State = ev.To
	s.Last = ev.Evidence
	s.noteQueues(ev)
	s.hear(ev)
	s.learn(ev)
	s.lookBack(ev.To)
	s.own(ev)
	s.remember(Step{State: ev.To})
	if ev.To == model.Close {
		s.Facts |= Ended | Reported // its end was not seen: it is not told of
		t.stats.Open--
		t.stats.Held++
	}
	s.recall(ev)
	t.ownAbove(s, ev)
	switch {
	case ev.Kind == events.Holder:
		s.hold(holderOf(ev))
		s.Facts |= Waiting
		t.arena.push(&t.waiting, s.slot)
		if !t.looking {
			t.hasRow(s)
		}
	case t.options.Replay:
		t.quote(ev.Recorded)
		if r := ev.Recorded; r != nil {
			t.obs.Mended = ParseMended(r.Mended)
		}
		t.presentRecorded(s, ev)
	default:
		s.Facts |= Untold
		t.arena.push(&t.untold, s.slot)
	}
}

// refine adds to a known socket what another row or an fd says of it.
func (t *Table) refine(s *Socket, ev *events.Event) {
	if !sameSocket(s, ev) {
		t.takes(s, ev)
		return
	}
	if r := ev.Recorded; r != nil && ParseMended(r.Mended) == MendedState {
		s.learn(ev)
		s.recall(ev)
		s.Last = ev.Evidence
		t.mend(s, ev.To, ev.Time)
		return
	}
	t.meets(s, ev)
	switch {
	case ev.Kind == events.Holder:
		s.hold(holderOf(ev))
	case s.Is(Waiting):
		s.noteQueues(ev)
		t.ownAbove(s, ev)
		t.hasRow(s)
	default:
		t.ownAbove(s, ev)
	}
}

// sameSocket reports whether a row is about s, and not about one that had the
// address before.
func sameSocket(s *Socket, ev *events.Event) bool {
	if s.Cookie != 0 && ev.Cookie != 0 {
		return s.Cookie == ev.Cookie
	}
	return s.Is(BeganBefore) || ev.Time >= s.Born
}

// sameCookie reports whether the cookies do not tell the two apart.
func sameCookie(s *Socket, ev *events.Event) bool {
	return s.Cookie == 0 || ev.Cookie == 0 || s.Cookie == ev.Cookie
}

// hasRow moves a socket that an fd told of to those to be reported.
func (t *Table) hasRow(s *Socket) {
	t.unlist(s)
	s.Facts |= Untold
	t.arena.push(&t.untold, s.slot)
}

// stopWaiting: the inventory is over, no row will come any more.
func (t *Table) stopWaiting() {
	for t.waiting.n > 0 {
		t.hasRow(t.arena.at(t.waiting.head))
	}
}

// tellFound reports the sockets found up to time, which all events before have
// reached.
func (t *Table) tellFound(time uint64) {
	for t.untold.n > 0 {
		s := t.arena.at(t.untold.head)
		if s.Since > time {
			return
		}
		t.tell(s)
	}
}

// unlist takes s off the list of those that are found and not reported.
func (t *Table) unlist(s *Socket) {
	switch {
	case s.Is(Waiting):
		t.arena.remove(&t.waiting, s.slot)
	case s.Is(Untold):
		t.arena.remove(&t.untold, s.slot)
	}
	s.Facts &^= Waiting | Untold
}

// tell reports a socket found.
func (t *Table) tell(s *Socket) {
	t.unlist(s)
	if s.Is(Repaired) {
		t.stats.Mended.Missing++
		t.obs.Mended = MendedMissing
	}
	t.present(s)
}

// lateRow is how much later than the end of a mini-socket a row can tell of it, in ns:
// its timer is told of before it is taken off. A younger one at the address has been
// told of.
const lateRow = 1e6

// findMini applies a row about a mini-socket.
func (t *Table) findMini(ev *events.Event) {
	s := t.waiter(ev)
	if t.options.Replay {
		t.replayMini(s, ev)
		return
	}
	if s != nil && sameCookie(s, ev) {
		s.Mini.met.look = t.looks.number
		switch m := &s.Mini; {
		case m.stage == miniPresumed,
			m.stage == miniThere && ev.Time > m.Seen,
			m.stage == miniLeaving && ev.Time > m.EndTime+lateEvidence: // set again, and we did not hear of it
			t.rearm(s, ev)
		case m.stage == miniLeaving && ev.Time > m.EndTime && t.losses != t.certain: // perhaps
			t.looks.again = true
		}
		return
	}
	if t.startOf(ev.SK) != nil {
		return // its full socket is about to end
	}
	if t.buried(ev.SK, max(ev.Time, lateRow+1)-lateRow) {
		return
	}
	if s = t.addMini(ev); s == nil {
		t.observe(ev, nil)
		return
	}
	s.Mini.met.look, s.Mini.told = t.looks.number, true
	s.Since = ev.Time
	if t.timers && t.expected(ev) {
		s.Facts |= Repaired
	}
	s.Facts |= Untold // the end of its full socket may still be on its way
	t.arena.push(&t.untold, s.slot)
}

// present hands the row to the sink.
func (t *Table) present(s *Socket) {
	ev := events.Event{Kind: events.Inventory, Time: s.Since, SK: s.SK, Evidence: s.Last, To: s.State, InState: -1}
	s.showQueues(&ev)
	s.Heard.tellAges(&ev)
	if m := &s.Mini; m.indexed() && s.Is(Retired) {
		ev.To, ev.From, ev.Extra = model.TimeWait, m.Substate, m.Expires-m.Seen
		ev.Evidence = model.Evidence{SndNxt: m.SndNxt, RcvNxt: m.RcvNxt}
	}
	if s.Owner.Note == events.NoteNone {
		s.Owner.Note = NoteOf(&ev)
	}
	t.observe(&ev, s)
	s.Owner.Note = events.NoteNone // what it does next may not fit any more
}
