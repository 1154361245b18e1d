package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// Mini is the mini-socket (struct inet_timewait_sock) in which a connection
// that closed first waits: TIME_WAIT, or FIN_WAIT2 of an orphan. The zero value
// is none.
type Mini struct {
	SK        uint64 // its address, 0 while it is only presumed
	Since     uint64 // ns since boot when it took over; 0 if that was not seen
	Seen      uint64 // ns since boot when it was last known to be there
	Expires   uint64 // ns since boot when its timer is to fire
	EndTime   uint64 // ns since boot
	Successor uint64 // the life that took its place, if that is how it ended
	key       uint64 // under which the index has it
	SndNxt    uint32
	RcvNxt    uint32
	Substate  model.State
	End       model.TimeWaitEnd // once stage is miniEnded
	stage     miniStage
	cause     events.Cause // of the cancelled timer
	told      bool         // its beginning has been reported
	met       met          // the full socket may be held beside it, and is met by itself
}

type miniStage uint8

const (
	miniNone     miniStage = iota
	miniPresumed           // the full socket ended as one does that is followed by one
	miniThere
	miniLeaving // its timer was cancelled: it ends, or the timer is set again
	miniReused  // a new connection takes its place: which one is not known yet
	miniEnded
)

// Waiting reports whether the mini-socket is there, as far as is known.
func (m *Mini) Waiting() bool { return m.stage >= miniThere && m.stage <= miniReused }

// Presumed reports whether the mini-socket should be there and was not met yet.
func (m *Mini) Presumed() bool { return m.stage == miniPresumed }

// Ended reports whether it is over; End then says how.
func (m *Mini) Ended() bool { return m.stage == miniEnded }

// indexed reports whether the life is to be found by its tuple.
func (m *Mini) indexed() bool { return m.stage >= miniPresumed && m.stage <= miniReused }

const (
	// successorWait is how long the new connection that took a tuple may take
	// through its handshake to be named, in ns of event time.
	successorWait = 1e9
	// presumedFor is how long a presumed mini-socket is kept on the word of its
	// full socket alone, in ns of event time: the longest that one can wait.
	presumedFor = 125e9
	// isnStep is what Linux adds to a mini-socket's snd_nxt for the first
	// sequence number of the connection that takes its place (tcp_tw_isn:
	// tcp_timewait_state_process and tcp_twsk_unique, 5.8 to 7.1).
	isnStep = 65535 + 2
)

// timeWait applies what the timer of a mini-socket did.
func (t *Table) timeWait(ev *events.Event) {
	s := t.waiter(ev)
	if s != nil && s.Mini.SK != 0 && (s.Mini.SK != ev.SK || !sameCookie(s, ev)) {
		s = nil // of an earlier connection between the same ends
	}
	if s != nil && s.Is(Untold) {
		t.tell(s)
	}
	switch {
	case ev.Kind == events.TWStart && s != nil:
		t.rearm(s, ev)
	case ev.Kind == events.TWStart:
		t.announce(ev)
	case s == nil:
		t.cancelStart(ev)
	default:
		t.timerEnds(s, ev)
	}
}

// timerEnds: the timer of a known mini-socket ran out, or was taken off. Where a
// FIN of the peer's set it to the slot in which it was, this alone tells of that.
func (t *Table) timerEnds(s *Socket, ev *events.Event) {
	m := &s.Mini
	m.Substate, m.RcvNxt = ev.From, ev.RcvNxt
	if s.Cookie != 0 && s.Cookie == ev.Cookie {
		s.Machine.Numbers.Mini(ev.From, ev.RcvNxt)
	}
	switch {
	case ev.Kind == events.TWExpire:
		m.EndTime = ev.Time
		t.endMini(s, model.TWExpired)
	case m.stage == miniThere:
		m.stage, m.cause, m.EndTime = miniLeaving, ev.Cause(), ev.Time
		t.leave(s)
	}
}

// rearm: the timer of a known mini-socket is set again. The peer's FIN came, or
// came again.
func (t *Table) rearm(s *Socket, ev *events.Event) {
	t.stay(s)
	if s.Mini.stage == miniPresumed {
		t.stats.Waiting++
	}
	s.Mini.stage = miniThere
	s.sight(ev)
	t.tellMini(s)
}

// sight takes over what a row or a timer says of the mini-socket.
func (s *Socket) sight(ev *events.Event) {
	m := &s.Mini
	m.SK, m.Seen, m.Expires = ev.SK, ev.Time, ev.Time+ev.Extra
	m.Substate, m.SndNxt, m.RcvNxt = ev.From, ev.SndNxt, ev.RcvNxt
	if s.Cookie != 0 && s.Cookie == ev.Cookie {
		s.Machine.Numbers.Mini(ev.From, ev.RcvNxt)
	}
	if ev.Cookie != 0 {
		s.Cookie = ev.Cookie
	}
}

// addMini begins a life with its mini-socket: the full one was not seen. It
// returns nil if there is no room.
func (t *Table) addMini(ev *events.Event) *Socket {
	if old := t.waiter(ev); old != nil {
		t.replaced(old, 0, ev.Time)
	}
	if !t.makeRoom() {
		return nil
	}
	s := t.take(ev)
	s.Facts |= BeganBefore | Ended | Reported | Destroyed | Retired | Established
	s.State, s.EndTime, s.Owner.FD = model.Close, ev.Time, -1
	s.FirstFIN = model.ClosedByLocal
	s.learn(ev)
	s.recall(ev)
	s.Mini.stage = miniThere
	s.sight(ev)
	t.seat(s)
	t.stats.Waiting++
	return s
}

// followedByMini begins the mini-socket of a full socket that has just ended, if
// one follows (kernel function tcp_time_wait).
func (t *Table) followedByMini(s *Socket, ev *events.Event) {
	if ev.From != model.FinWait2 && ev.From != model.Closing || t.options.Life != nil {
		return
	}
	st := &t.start
	found := t.takeStart(s, st)
	if t.foundBefore(s) {
		return
	}
	substate := announced(ev)
	if old := t.waiterOf(s); old != nil && (found || substate != 0) {
		t.replaced(old, s.ID, ev.Time)
	}
	switch {
	case found:
		s.Mini.stage, s.Mini.Since = miniThere, st.since
		s.sight(&st.Event)
		t.seat(s)
		t.stats.Waiting++
		if st.left != 0 {
			s.Mini.stage, s.Mini.cause, s.Mini.EndTime = miniLeaving, st.cause, st.left
			t.leave(s)
		}
	case substate == 0:
	case !t.timers:
		s.Mini.stage, s.Mini.Since, s.Mini.Substate, s.Mini.SndNxt = miniPresumed, ev.Time, substate, ev.SndNxt
		t.seat(s)
	case substate == model.TimeWait:
		// The kernel ends the full socket in the same way when it makes no
		// mini-socket, for want of room (tcp_time_wait).
		s.Mini.EndTime, s.Mini.Substate = ev.Time, model.TimeWait
		s.Mini.stage, s.Mini.End = miniEnded, model.TWOverflow
		if t.losses != s.lossMark || ev.Time < t.timersSince {
			s.Mini.End = model.TWUnknown
		}
	}
}

// foundBefore gives s the mini-socket that follows it, if an inventory found that
// one before the stream told of the end of s.
func (t *Table) foundBefore(s *Socket) bool {
	old := t.waiterOf(s)
	if old == nil || old.Steps > 0 || old.Mini.stage != miniThere || old.Cookie != s.Cookie {
		return false
	}
	mini := old.Mini
	mini.told = mini.told && !old.Is(Untold)
	t.unlist(old)
	t.unseat(old)
	t.arena.give(old)
	s.Mini = mini
	s.Mini.Since = s.EndTime
	t.seat(s)
	t.stats.Waiting++
	return true
}

// announced returns the substate of the mini-socket that follows a full socket
// which ended so, unless there was no room for one; 0 if none does. FIN_WAIT2 is
// not certain: an answer with an RST to data for an orphan looks the same, and
// is told of after.
func announced(ev *events.Event) model.State {
	switch {
	case ev.Err != 0:
	case ev.From == model.Closing && ev.SndUna == ev.WriteSeq, ev.From == model.FinWait2 && ev.Has(model.Done):
		return model.TimeWait
	case ev.From == model.FinWait2 && ev.Has(model.Dead) && !ev.Has(model.Linger2Neg):
		return model.FinWait2
	}
	return 0
}

// tellMini reports the beginning of a mini-socket: after the end of the full one.
func (t *Table) tellMini(s *Socket) {
	if s.Mini.told || !s.Is(Reported) {
		return
	}
	s.Mini.told = true
	if t.options.Replay {
		return // the recording's own line tells of it
	}
	m := &s.Mini
	ev := events.Event{Kind: events.Mini, Time: m.Since, SK: s.SK, From: m.Substate, To: model.TimeWait, InState: -1}
	if ev.Time == 0 {
		ev.Time = m.Seen
	}
	if m.Expires > m.Seen {
		ev.Extra = m.Expires - m.Seen
	}
	ev.SndNxt, ev.RcvNxt = m.SndNxt, m.RcvNxt
	t.observe(&ev, s)
}

// endMini ends a mini-socket at its EndTime, and reports it: at once, or after
// the end of the full one.
func (t *Table) endMini(s *Socket, end model.TimeWaitEnd) {
	if s.Is(Untold) {
		t.tell(s)
	}
	t.unseat(s)
	if s.Mini.SK != 0 {
		t.bury(s.Mini.SK, s.Mini.EndTime)
	}
	s.Mini.stage, s.Mini.End = miniEnded, end
	if s.Is(Reported) {
		t.tellMiniEnd(s)
	}
}

func (t *Table) tellMiniEnd(s *Socket) {
	m := &s.Mini
	if t.options.Replay {
		t.finish(s)
		return
	}
	if m.Since != 0 && m.End != model.TWOverflow {
		t.tellMini(s)
	}
	t.stats.MiniEnds[m.End]++
	t.obs.Judgement = m.End.Judge()
	t.obs.MiniEnded = true
	ev := events.Event{Kind: events.Mini, Time: m.EndTime, SK: s.SK, From: m.Substate, To: model.TimeWait, InState: -1}
	ev.SndNxt, ev.RcvNxt = m.SndNxt, m.RcvNxt
	if m.Since != 0 && m.EndTime >= m.Since {
		t.obs.InState = int64(m.EndTime - m.Since)
	}
	t.obs.Successor = m.Successor
	t.observe(&ev, s)
	t.finish(s)
}

// finish gives a life up that neither an address nor a mini-socket holds.
func (t *Table) finish(s *Socket) {
	if s.Is(Retired|Reported) && !s.Mini.indexed() {
		t.layDown(s)
	}
}

// leave puts a life on the list of those whose mini-socket is ending.
func (t *Table) leave(s *Socket) {
	if s.Is(Reported) {
		t.arena.push(&t.leaving, s.slot)
	}
}

// stay takes it off its list again.
func (t *Table) stay(s *Socket) {
	if !s.Is(Reported) {
		return
	}
	switch s.Mini.stage {
	case miniPresumed:
		t.arena.remove(&t.presumed, s.slot)
	case miniLeaving:
		t.arena.remove(&t.leaving, s.slot)
	case miniReused:
		t.arena.remove(&t.reused, s.slot)
	}
}

// enlist puts a life whose end has just been reported on the list that the stage
// of its mini-socket asks for, and tells of it.
func (t *Table) enlist(s *Socket) {
	switch s.Mini.stage {
	case miniPresumed:
		t.arena.push(&t.presumed, s.slot)
	case miniThere:
		t.tellMini(s)
	case miniLeaving:
		t.tellMini(s)
		t.arena.push(&t.leaving, s.slot)
	case miniEnded:
		t.tellMiniEnd(s)
	}
}

// settleMinis ends the mini-sockets that have been leaving for long enough: a
// timer that is set again is set within microseconds.
func (t *Table) settleMinis(time uint64) {
	for len(t.starts) > 0 && time > t.starts[0].since+startWait {
		t.adoptStart()
	}
	for t.leaving.n > 0 {
		s := t.arena.at(t.leaving.head)
		if time < s.Mini.EndTime+lateEvidence {
			break
		}
		if end := endOf(s.Mini.cause); end != model.TWReused || s.Mini.Successor != 0 {
			t.endMini(s, end)
			continue
		}
		t.arena.remove(&t.leaving, s.slot)
		t.arena.push(&t.reused, s.slot)
		s.Mini.stage = miniReused
	}
	for t.reused.n > 0 {
		s := t.arena.at(t.reused.head)
		if time < s.Mini.EndTime+successorWait {
			break
		}
		t.endMini(s, model.TWReused)
	}
	for t.options.Replay && t.presumed.n > 0 {
		s := t.arena.at(t.presumed.head)
		if time < s.EndTime+presumedFor {
			break
		}
		t.forgetMini(s)
	}
}

// endOf says what a cancelled timer means for the mini-socket.
func endOf(cause events.Cause) model.TimeWaitEnd {
	switch cause {
	case events.CauseRST:
		return model.TWAssassinated
	case events.CauseSYN, events.CauseConnect:
		return model.TWReused
	case events.CauseAbort:
		return model.TWKilled
	case events.CauseNetns:
		return model.TWNetnsGone
	case events.CauseData:
		return model.TWData
	}
	return model.TWUnknown
}

// forgetMini drops a presumed mini-socket of which nothing was heard.
func (t *Table) forgetMini(s *Socket) {
	t.unseat(s)
	s.Mini = Mini{}
	t.finish(s)
}

// succeed looks for the mini-socket whose place a connection takes that has just
// been established.
func (t *Table) succeed(s *Socket, ev *events.Event) {
	if t.byTuple.n == 0 || t.options.Replay {
		return
	}
	old := t.waiterOf(s)
	if old == nil || old == s {
		return
	}
	iss := uint32(uint64(ev.SndUna) - ev.BytesAcked)
	if ev.From == model.SynRecv {
		iss-- // bytes_acked counts the SYN of an active open only
	}
	if old.Mini.SndNxt != 0 && iss == old.Mini.SndNxt+isnStep {
		old.Mini.cause = events.CauseSYN // its first sequence number proves it
	}
	t.replaced(old, s.ID, ev.Time)
}

// replaced ends a mini-socket whose tuple belongs to another life by time.
func (t *Table) replaced(old *Socket, by, time uint64) {
	if t.options.Replay {
		t.forgetMini(old)
		return
	}
	m := &old.Mini
	end := endOf(m.cause)
	switch {
	case end == model.TWReused:
		m.Successor = by
	case m.stage != miniLeaving:
		end = model.TWUnknown // its time may be up, or not: a timer set to the same slot again is not told of
	}
	if m.stage == miniThere || m.stage == miniPresumed {
		m.EndTime = time
	}
	t.endMini(old, end)
}

// seat enters a life under the tuple of its mini-socket. Whoever had it has gone.
func (t *Table) seat(s *Socket) {
	s.Mini.key = t.keyOf(s)
	if slot, ok := t.byTuple.get(s.Mini.key); ok {
		t.replaced(t.arena.at(slot), 0, max(s.Mini.Since, s.Mini.Seen))
	}
	t.byTuple.put(s.Mini.key, s.slot)
	if s.Is(Retired) {
		t.retiredWaiting++
	}
}

// unseat takes it out again, and off its list.
func (t *Table) unseat(s *Socket) {
	t.changes++
	t.stay(s)
	t.byTuple.drop(s.Mini.key)
	if s.Mini.Waiting() {
		t.stats.Waiting--
	}
	if s.Is(Retired) {
		t.retiredWaiting--
	}
}
