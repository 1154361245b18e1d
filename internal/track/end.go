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
			break
		}
		t.arena.remove(&t.ending, s.slot)
		if t.options.Replay {
			s.Facts |= Destroyed // a recording does not tell when memory is freed: nothing says that it is held
		}
		t.report(s)
		if s.Is(Destroyed) {
			t.release(s)
		}
	}
	t.settleMinis(time)
}

// report judges an ended life and hands it to the sink, once. The mini-socket
// that follows is told of after it.
func (t *Table) report(s *Socket) {
	s.Facts |= Reported
	if !s.Is(Filtered) { // the recording's own line tells more
		t.tellEnd(s)
	}
	t.enlist(s)
}

func (t *Table) tellEnd(s *Socket) {
	if t.losses != s.lossMark {
		s.Facts |= Incomplete
	}
	if s.State == model.Close {
		t.end = t.endingOf(s)
		c := t.end.Judge()
		s.End = End{c.Reason, c.By, c.Verdict, c.Rule}
	} else {
		s.End = End{Verdict: model.Unjudged, Rule: model.RuleEventsLost, Reason: model.ReasonUnknown}
	}
	if s.Worst == model.Impossible || s.Worst == model.Notable && s.End.Verdict == model.Normal {
		s.End.Verdict, s.End.Rule = s.Worst, s.WorstRule // not forgiven for an orderly end
	}
	t.stats.Ends[s.End.Verdict]++
	t.countUnjudged(s, model.Judgement{Verdict: s.End.Verdict, Rule: s.End.Rule})
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
	t.bury(ev.SK, ev.Time)
	if ev.Time < s.Born || s.Is(OnlyFound) && s.Since > ev.Time {
		return // of an earlier socket: the memory has a new one already
	}
	s.Facts |= Destroyed
	switch {
	case s.Is(Ended | OnlyFound):
		t.dismiss(s)
	case s.Is(Reported):
		t.release(s)
	case s.Is(Ended):
		// A reset in reply may still be on its way: settle releases it.
	default:
		t.dismiss(s) // its ->CLOSE was lost
	}
}

// notice applies a retransmit or a reset.
func (t *Table) notice(ev *events.Event) {
	s := t.lookup(ev.SK)
	switch {
	case s == nil:
	case s.Is(OnlyFound) && s.Since > ev.Time:
		s = nil
	case !sameCookie(s, ev) && !ev.Has(model.Stale):
		t.dismiss(s) // its end was not seen, nor the birth of this one
		s = nil
	}
	if s != nil {
		if s.Facts&(Waiting|Untold) != 0 {
			t.tell(s)
		}
		if ev.Kind != events.SynAck { // the tuple of that is its request's
			s.learn(ev)
		}
		s.recall(ev)
	}
	switch ev.Kind {
	case events.Retransmit, events.SynAck:
		t.obs.Segment = segmentOf(ev)
		t.obs.Count = t.countRetransmit(s, ev, t.obs.Segment)
	case events.ResetSent, events.ResetReceived:
		if s != nil {
			t.noticeReset(s, ev)
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
		if s != nil && s.Role == model.RolePassive { // of TCP Fast Open: the child's own
			s.Retransmits.SYNACK = uint32(ev.Count)
		}
		return uint32(ev.Count)
	}
	var recorded uint32
	if ev.Recorded != nil {
		recorded = ev.Recorded.Count
	}
	if s == nil {
		return recorded
	}
	r := &s.Retransmits
	if ev.Err != 0 { // Linux 6.15 and later report attempts that failed
		r.Failed = max(r.Failed+1, recorded)
		return r.Failed
	}
	n := [...]*uint32{SegmentData: &r.Data, SegmentSYN: &r.SYN, SegmentSYNACK: &r.SYNACK, SegmentFIN: &r.FIN}[seg]
	*n = max(*n+1, recorded)
	switch ev.Again() {
	case events.AgainFast:
		r.Fast++
	case events.AgainProbe:
		r.Probe++
	}
	s.sentAgain(ev.Time, seg)
	return *n
}

// sentAgain notes when a segment was.
func (s *Socket) sentAgain(time uint64, seg Segment) {
	r := &s.Retransmits
	if r.Last != seg || r.First == 0 {
		r.Last, r.First = seg, time
		if seg == SegmentSYN && s.State == model.SynSent && s.Since != 0 {
			r.First = s.Since // connect() sends the first
		}
	}
	r.Until = time
}

// resetWindow is how long before the end a reset sent in reply counts as part of it, in
// ns: a few microseconds pass before ->CLOSE.
const resetWindow = 1e6

// resetAtEnd reports whether the newest reset sent belongs to the end, and is not an
// answer to some stray segment long before. One that was sent of our own accord does,
// however long a worker then takes to end the socket (MPTCP).
func (s *Socket) resetAtEnd() bool {
	return s.Is(ResetOutOwn) || s.ResetTime+resetWindow >= s.EndTime
}

// EndedWithReset reports whether the end came with an RST that was sent.
func (s *Socket) EndedWithReset() bool { return s.Is(Ended|ResetOut) && s.resetAtEnd() }

func (t *Table) noticeReset(s *Socket, ev *events.Event) {
	if ev.Kind == events.ResetReceived {
		s.Facts |= ResetIn
		return
	}
	if s.Mini.Presumed() && s.Mini.Substate == model.FinWait2 {
		t.forgetMini(s) // that was no beginning of a mini-socket
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
