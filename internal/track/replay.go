package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// recall takes over what a line of a recording says of its socket: who held an
// fd, for one, is on no line of its own. Live events say nothing here.
func (s *Socket) recall(ev *events.Event) {
	if r := ev.Recorded; r != nil {
		s.Owner, s.Role = r.Owner, r.Role
		s.learn(ev)
	}
}

// quote takes over what a line of a recording says of its socket's owner, and
// that this table does not find out.
func (t *Table) quote(r *events.Recorded) {
	if r != nil {
		t.obs.Process, t.obs.NetnsName = r.Process, r.NetnsName
		t.obs.Holders, t.obs.Holding = r.Holders, r.Holding
	}
}

// resume takes up a recorded life after lines that are not in the recording,
// because a filter left them out: what they would have told is taken from the
// line at hand.
func (s *Socket) resume(ev *events.Event) {
	s.Facts |= Filtered
	s.Steps = ev.Step - 1
	s.State = ev.From
	s.Machine = model.Found(ev.From)
	if ev.InState >= 0 {
		s.Since = ev.Time - uint64(ev.InState)
	}
	s.lookBack(ev.From)
}

// replayClosed takes the recorded end of a life. It is handed on as it was
// written: the table cannot know whether a filter left lines out that the
// judgement rests on. Only a life without such a line is judged again.
func (t *Table) replayClosed(ev *events.Event) {
	s := t.lookup(ev.SK)
	if s == nil {
		var past Socket // nothing but the end is in the recording
		past.ID, past.SK, past.Facts = ev.Socket, ev.SK, Filtered|Destroyed
		t.handOn(&past, ev)
		return
	}
	if s.Open() {
		s.Facts |= Filtered
		t.conclude(s)
	} else if !s.Is(Reported) {
		t.arena.remove(&t.ending, s.slot)
	}
	s.Facts |= Destroyed // a recording does not tell when memory is freed: nothing says that it is held
	t.handOn(s, ev)
	t.enlist(s)
	t.release(s)
}

// replayMini takes a recorded row about a mini-socket; s has its tuple by now, or
// is nil.
func (t *Table) replayMini(s *Socket, ev *events.Event) {
	if r := ev.Recorded; r != nil {
		t.obs.Mended = ParseMended(r.Mended)
	}
	t.observe(ev, nil)
	if s != nil && s.ID != ev.Socket {
		t.forgetMini(s)
		s = nil
	}
	if s == nil {
		if s = t.addMini(ev); s == nil {
			return
		}
	}
	s.Mini.told, s.Since = true, ev.Time
}

// replayTimeWait takes the recorded beginning or end of a mini-socket, and hands
// it on as it was written.
func (t *Table) replayTimeWait(ev *events.Event) {
	s := t.waiter(ev)
	if s != nil && s.ID != ev.Socket {
		s = nil
	}
	var said events.MiniLife
	if r := ev.Recorded; r != nil && r.Mini != nil {
		said = *r.Mini
	}
	t.obs.MiniEnded, t.obs.Successor = said.Ended, said.Successor
	if said.Ended {
		t.obs.Judgement = model.Judgement{Verdict: ev.Recorded.Judgement.Verdict, Rule: ev.Recorded.Judgement.Rule}
		t.obs.InState = ev.InState
	}
	t.observe(ev, nil)
	switch {
	case said.Ended && s != nil:
		t.unseat(s)
		s.Mini.stage, s.Mini.EndTime, s.Mini.End, s.Mini.Successor = miniEnded, ev.Time, said.End, said.Successor
		t.stats.MiniEnds[said.End]++
		t.finish(s)
	case said.Ended:
		t.stats.MiniEnds[said.End]++
	case s == nil:
		if s = t.addMini(ev); s != nil {
			s.Mini.Since, s.Mini.told = ev.Time, true
		}
	default:
		s.Mini.told = true
		t.rearm(s, ev)
	}
}

func (t *Table) handOn(s *Socket, ev *events.Event) {
	s.recall(ev)
	s.Facts |= Ended | Reported
	s.Last = ev.Evidence
	s.EndTime = ev.Time
	if r := ev.Recorded; r != nil && r.Life != nil {
		s.conform(r.Life, r.Judgement)
	}
	t.stats.Ends[s.End.Verdict]++
	t.obs.Judgement = model.Judgement{Verdict: s.End.Verdict, Rule: s.End.Rule}
	t.obs.Socket = s
	t.observe(ev, s)
}

// conform makes a life what its recorded summary says.
func (s *Socket) conform(l *events.Life, j model.Judgement) {
	s.End = End{l.Reason, l.By, j.Verdict, j.Rule}
	s.Born = s.EndTime - min(s.EndTime, l.Duration)
	s.Retransmits = Retransmits{SYN: l.SYN, SYNACK: l.SYNACK, FIN: l.FIN, Data: l.Data, Failed: l.Failed, Fast: l.Fast, Probe: l.Probe}
	if last, ok := ParseSegment(l.Last); ok && l.Over > 0 {
		s.Retransmits.Last, s.Retransmits.First, s.Retransmits.Until = last, s.EndTime-min(s.EndTime, l.Over), s.EndTime
	}
	s.Facts &^= BeganBefore | Incomplete
	if l.Before {
		s.Facts |= BeganBefore
	}
	if !l.Complete && !l.Before {
		s.Facts |= Incomplete
	}
	if !s.Is(Filtered) {
		return
	}
	s.kept = 0
	time := s.EndTime
	for i := len(l.Stages) - 1; i >= 0; i-- { // from the end, whose time is known
		switch st := &l.Stages[i]; {
		case i == len(l.Stages)-1:
		case st.NS < 0 || uint64(st.NS) > time:
			time = 0
		default:
			time -= uint64(st.NS)
		}
		if i < MaxSteps {
			s.history[i] = Step{Time: time, State: l.Stages[i].State, Verdict: model.Normal}
			s.kept = max(s.kept, uint8(i+1))
		}
	}
	s.Steps = max(s.Steps, uint32(s.kept))
}
