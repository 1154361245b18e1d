package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// settle reports the lives that ended long enough before time.
func (t *Table) settle(time uint64) {
	for t.ending.n > 0 {
		s := t.arena.at(t.ending.head)
		if time-s.EndTime < lateEvidence || time < s.EndTime {
			return
		}
		t.arena.remove(&t.ending, s.slot)
		t.report(s)
		if s.Is(Destroyed) {
			t.release(s)
		}
	}
}

// report judges an ended life and hands it to the sink, once.
func (t *Table) report(s *Socket) {
	s.Facts |= Reported
	if s.Is(Filtered) {
		return // the recording's own line tells more
	}
	if t.losses != s.lossMark {
		s.Facts |= Incomplete
	}
	if s.State == model.Close {
		e := t.endingOf(s)
		c := e.Judge()
		s.End = End{c.Reason, c.By, c.Verdict, c.Rule}
	} else {
		s.End = End{Verdict: model.Unjudged, Rule: model.RuleEventsLost, Reason: model.ReasonUnknown}
	}
	if s.End.Verdict < s.Worst && s.Worst > model.Normal {
		s.End.Verdict = s.Worst // an impossible step is not forgiven for an orderly end
		for _, st := range s.History() {
			if st.Verdict == s.Worst {
				s.End.Rule = st.Rule
			}
		}
	}
	t.stats.Ends[s.End.Verdict]++
	ev := events.Event{Kind: events.Closed, Time: s.EndTime, SK: s.SK, Evidence: s.Last, From: s.EndFrom, To: model.Close, InState: -1}
	t.obs.Judgement = model.Judgement{Verdict: s.End.Verdict, Rule: s.End.Rule}
	t.obs.Socket = s
	t.observe(&ev, s)
}

func (t *Table) endingOf(s *Socket) model.Ending {
	e := model.Ending{
		From: s.EndFrom, Evidence: s.Last, Role: s.Role, FirstFIN: s.FirstFIN,
		Established:       s.Is(Established),
		SimultaneousClose: s.Is(SimulClose),
		ResetReceived:     s.Is(ResetIn),
		ResetSent:         s.Is(ResetOut) && s.resetAtEnd(),
		ResetSentActive:   s.Is(ResetOutOwn) && s.resetAtEnd(),
		ResetBefore:       s.Is(ResetOutFirst) && s.resetAtEnd(),
		SynRetransmits:    s.Retransmits.SYN,
		SynAckRetransmits: s.Retransmits.SYNACK,
		FinRetransmits:    s.Retransmits.FIN,
		DataRetransmits:   s.Retransmits.Data,
		MidLife:           s.Is(BeganBefore),
		Gap:               s.Machine.Gap(),
		LostSince:         s.Is(Incomplete),
	}
	if s.ResetReason != 0 && s.resetAtEnd() && t.options.ResetReason != nil {
		e.HasResetReason = true
		e.ResetReason = t.options.ResetReason(s.ResetReason - 1)
	}
	return e
}

// destroy ends the address's use: the kernel frees the socket's memory.
func (t *Table) destroy(ev *events.Event) {
	s := t.lookup(ev.SK)
	if s == nil {
		t.bury(ev.SK, ev.Time)
		return
	}
	s.Facts |= Destroyed
	t.bury(ev.SK, ev.Time)
	switch {
	case s.Is(Reported):
		t.release(s)
	case s.Is(Ended):
		// A reset in reply may still be on its way: settle releases it.
	case s.Is(OnlyFound) && s.Since > ev.Time:
		// The row is younger: the memory has a new socket already.
	default:
		t.vanish(s) // its ->CLOSE was lost
	}
}

// notice applies a retransmit or a reset.
func (t *Table) notice(ev *events.Event) {
	s := t.lookup(ev.SK)
	if s != nil && s.Is(OnlyFound) && s.Since > ev.Time {
		s = nil
	}
	switch ev.Kind {
	case events.Retransmit, events.SynAck:
		t.obs.Segment = segmentOf(ev)
		t.obs.Count = t.countRetransmit(s, ev, t.obs.Segment)
	case events.ResetSent, events.ResetReceived:
		if s != nil {
			s.noticeReset(ev)
		}
	}
	if s == nil || ev.Kind == events.SynAck {
		t.observe(ev, nil) // a request socket is no socket yet: its tuple is in the event
		return
	}
	t.observe(ev, s)
}

func (t *Table) countRetransmit(s *Socket, ev *events.Event, seg Segment) uint32 {
	t.stats.Retransmits++
	if ev.Kind == events.SynAck {
		return uint32(ev.Count)
	}
	if s == nil {
		return 0
	}
	r := &s.Retransmits
	n := [...]*uint32{SegmentData: &r.Data, SegmentSYN: &r.SYN, SegmentSYNACK: &r.SYNACK, SegmentFIN: &r.FIN}[seg]
	if ev.Err != 0 { // Linux 6.15 and later report attempts that failed
		n = &r.Failed
	}
	*n++
	return *n
}

// resetWindow is how long before the end a reset sent counts as part of it, in
// ns: tcp_abort and the timers send it a few microseconds before ->CLOSE.
const resetWindow = 1e6

// resetAtEnd reports whether the newest reset sent belongs to the end, and is
// not an answer to some stray segment long before.
func (s *Socket) resetAtEnd() bool { return s.ResetTime+resetWindow >= s.EndTime }

func (s *Socket) noticeReset(ev *events.Event) {
	if ev.Kind == events.ResetReceived {
		s.Facts |= ResetIn
		return
	}
	s.Facts |= ResetOut
	s.ResetTime = ev.Time
	if !s.Is(Ended) {
		s.Facts |= ResetOutFirst
	}
	if ev.Has(model.ActiveReset) {
		s.Facts |= ResetOutOwn
	}
	s.ResetReason = uint32(ev.Extra)
}
