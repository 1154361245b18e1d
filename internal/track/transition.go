package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// transition applies one change of state.
func (t *Table) transition(ev *events.Event) {
	t.stats.Transitions++
	var s *Socket
	var twice bool
	if ev.SK != 0 { // 0: recorded when the table was full
		s, twice = t.lifeOf(ev)
	}
	if s == nil {
		t.untracked(ev)
		return
	}
	lost := t.losses - s.lossMark
	inState := s.InState(ev.Time)
	if s.Is(OnlyFound) {
		inState = -1 // found in that state, not seen entering it
	}
	known := true
	if ev.Step != 0 {
		known = !s.Is(BeganBefore) || s.Steps > 0 // how sure a row was is not on its line
		if ev.Step != s.Steps+1 {
			known = false
			s.resume(ev)
			inState = ev.InState
		}
	}
	judgement := s.Machine.Step(ev.From, ev.To, lost > 0, &ev.Evidence)
	if twice {
		judgement = model.Judgement{Verdict: model.Impossible, Rule: model.RuleBornTwice}
	}
	if r := ev.Recorded; r != nil && r.Judgement.Rule != model.RuleNone && (!known || restsOnMore(r.Judgement.Rule) || restsOnMore(judgement.Rule)) {
		judgement, lost = r.Judgement, r.LostSince
	}
	t.enter(s, ev, judgement)
	if stack := ev.Stack(); stack != 0 {
		s.Stack = stack
	}

	o := &t.obs
	o.Judgement, o.InState = judgement, inState
	if judgement.Verdict == model.Unjudged {
		o.LostSince = lost
	}
	t.stats.Verdicts[judgement.Verdict]++
	t.countUnjudged(s, judgement)
	t.observe(ev, s)
}

// restsOnMore reports whether a judgement rests on what a recording does not
// hold: the socket's address, how close a hole was and whether a look has mended it,
// or lines that were filtered out.
func restsOnMore(r model.Rule) bool {
	switch r {
	case model.RuleBornTwice, model.RuleEventsLost, model.RuleContinuity,
		model.RuleISSChanged, model.RuleIRSChanged, model.RuleFINChanged, model.RuleFINAcked, model.RulePeerFINChanged:
		return true
	}
	return false
}

// lifeOf returns the life that ev belongs to, a new one where ev begins one or
// where the address is unknown. It returns nil if there is no room. twice says
// that a birth came upon a socket that was alive, and nothing was lost.
func (t *Table) lifeOf(ev *events.Event) (s *Socket, twice bool) {
	s = t.lookup(ev.SK)
	if s == nil {
		return t.meet(ev), false
	}
	if s.Facts&(Waiting|Untold) != 0 && ev.Time >= s.Since {
		t.tell(s)
	}
	edge, known := model.Lookup(ev.From, ev.To)
	switch {
	case s.Is(OnlyFound) && ev.Time < s.Since:
		// The inventory overtook this event: start from the event, which knows more,
		// unless it is of an earlier socket, and the events of the row's were lost.
		t.looks.again = t.looks.again || ev.Cookie != s.Cookie && t.losses != t.certain
		t.forget(s)
	case ev.Cookie != 0 && s.Cookie != 0 && ev.Cookie != s.Cookie && !ev.Has(model.Stale):
		// The end of the former socket was not seen: lost, or no hook for it.
		t.dismiss(s)
	case known && edge.Birth && s.Is(Ended):
		t.release(s) // connects or listens again, or the memory has a new socket
	case s.Is(Ended) && ev.To != model.Close && t.losses != s.lossMark:
		t.release(s) // so did this one, and its birth was lost
	case known && edge.Birth && s.Is(OnlyFound):
		t.dismiss(s)
	case known && edge.Birth:
		twice = t.losses == s.lossMark
		t.vanish(s)
	default:
		return s, false
	}
	return t.meet(ev), twice
}

// meet begins a life with ev.
func (t *Table) meet(ev *events.Event) *Socket {
	s := t.add(ev)
	if s == nil {
		return nil
	}
	if edge, ok := model.Lookup(ev.From, ev.To); !ok || !edge.Birth {
		s.Facts |= BeganBefore
		s.Role = model.RoleUnknown
		s.remember(Step{State: ev.From}) // where it came from; since when, nobody knows
		s.lookBack(ev.From)
	}
	return s
}

// lookBack notes what a state says of the past.
func (s *Socket) lookBack(state model.State) {
	switch state {
	case model.Listen:
		s.Role = model.RoleListener
	case model.Established:
		s.Facts |= Established
	case model.FinWait1, model.FinWait2:
		s.Facts |= Established
		s.FirstFIN = model.ClosedByLocal
	case model.CloseWait, model.LastAck:
		s.Facts |= Established
		s.FirstFIN = model.ClosedByPeer
	case model.Closing:
		s.Facts |= Established | SimulClose
	}
}

// enter applies a judged transition to the life.
func (t *Table) enter(s *Socket, ev *events.Event, j model.Judgement) {
	s.Facts &^= OnlyFound
	if t.losses != s.lossMark {
		s.Facts |= Incomplete
		s.lossMark = t.certain
	}
	s.learn(ev)
	s.own(ev)
	s.Steps++
	if !s.Is(Ended) { // the first end counts
		s.State, s.Since = ev.To, ev.Time
	}
	if s.Steps == 1 || outweighs(j.Verdict, s.Worst) {
		s.Worst, s.WorstRule = j.Verdict, j.Rule
	}
	s.remember(Step{Time: ev.Time, State: ev.To, Verdict: j.Verdict, Rule: j.Rule})
	if ev.From == model.SynRecv && s.Role == model.RolePassive {
		s.Retransmits.SYNACK = max(s.Retransmits.SYNACK, uint32(ev.Count))
	}
	switch ev.To {
	case model.Listen:
		s.Role = model.RoleListener
	case model.SynSent:
		s.Role = model.RoleActive
	case model.SynRecv:
		s.Role = model.RolePassive
		if ev.From == model.SynSent {
			s.Role = model.RoleSimultaneous
		}
	case model.FinWait1:
		if s.FirstFIN == model.ClosedByUnknown {
			s.FirstFIN = model.ClosedByLocal
		}
	case model.CloseWait:
		s.FirstFIN = model.ClosedByPeer
	case model.Closing:
		s.Facts |= SimulClose
	case model.Established:
		s.Facts |= Established
		if p := s.Owner.Provenance; p == events.ProvenanceInherited || p == events.ProvenanceUnknown {
			t.looks.wantOwners = true
		}
		t.succeed(s, ev)
	}
	s.recall(ev)
	if s.Is(Ended) {
		return // CLOSE->CLOSE: tcp_abort of a listener; the first end counts
	}
	s.Last = ev.Evidence
	if ev.To == model.Close {
		s.Facts |= Ended
		s.EndTime, s.EndFrom = ev.Time, ev.From
		t.arena.insert(&t.ending, s.slot, endedBefore)
		t.stats.Open--
		t.stats.Held++
		t.followedByMini(s, ev)
	}
}

// endedBefore orders ends by time. They mostly come so: a rescued event comes late.
// Were the list in the order of arrival, a life that ended long ago could wait
// behind a newer one.
func endedBefore(a, b *Socket) bool { return a.EndTime < b.EndTime }

// outweighs reports whether v says more of a life than what was thought of it
// so far: what is worse does, and a doubt outweighs Normal.
func outweighs(v, sofar model.Verdict) bool {
	if v == model.Unjudged {
		return sofar == model.Normal
	}
	return v > sofar && v > model.Normal
}

// untracked judges a transition for which there was no room: the edge alone.
func (t *Table) untracked(ev *events.Event) {
	var m model.Machine
	t.obs.Judgement, t.obs.InState = m.Step(ev.From, ev.To, true, &ev.Evidence), -1
	t.stats.Verdicts[t.obs.Judgement.Verdict]++
	t.observe(ev, nil)
}

// forget drops a life that only an inventory told of, without a trace.
func (t *Table) forget(s *Socket) {
	t.changes++
	t.unlist(s)
	t.bySK.drop(s.SK)
	if s.Open() {
		t.stats.Open--
	} else {
		t.stats.Held--
	}
	t.arena.give(s)
}

// dismiss ends a life whose address turned out to belong to another: without a
// trace if nobody has heard of it.
func (t *Table) dismiss(s *Socket) {
	if s.Facts&(Waiting|Untold) != 0 {
		t.forget(s)
		return
	}
	t.vanish(s)
}

// vanish ends a life whose end was not seen.
func (t *Table) vanish(s *Socket) {
	if s.Open() {
		t.conclude(s)
		t.report(s)
	}
	t.release(s)
}

// conclude lets a life end when it was last heard of. Nothing more is awaited of
// it: the caller reports it.
func (t *Table) conclude(s *Socket) {
	t.unlist(s)
	s.Facts |= Ended | Incomplete
	s.EndTime, s.EndFrom = s.Since, s.State
	t.stats.Open--
	t.stats.Held++
}
