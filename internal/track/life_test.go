package track

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

const (
	established = model.Established
	synSent     = model.SynSent
	synRecv     = model.SynRecv
	finWait1    = model.FinWait1
	finWait2    = model.FinWait2
	closeState  = model.Close
	closeWait   = model.CloseWait
	lastAck     = model.LastAck
	listen      = model.Listen
	closing     = model.Closing
)

// Whole lives as the kernel tells them, and how they are said to have ended.
var lives = []struct {
	name    string
	play    func(*script)
	reason  model.CloseReason
	by      model.Closer
	verdict model.Verdict
	role    model.Role
	owner   events.Provenance
	steps   uint32
}{
	{"RFC 9293 3.6: active open, active close", func(s *script) {
		s.socket(1).to(synSent, established, finWait1, finWait2, closeState).destroy()
	}, model.ReasonFin, model.ClosedByLocal, model.Normal, model.RoleActive, events.ProvenanceExact, 5},
	{"RFC 9293 3.6: active open, passive close", func(s *script) {
		s.socket(1).to(synSent, established, closeWait, lastAck, closeState).destroy()
	}, model.ReasonFin, model.ClosedByPeer, model.Normal, model.RoleActive, events.ProvenanceExact, 5},
	{"RFC 9293 3.10.7.2: passive birth, closed by the peer before anybody read", func(s *script) {
		s.child(1).to(synRecv, established, closeWait).step(closeState, flags(0), shutdown(1)).destroy()
	}, model.ReasonListenerClosed, model.ClosedByLocal, model.Abnormal, model.RolePassive, events.ProvenanceInherited, 4},
	{"RFC 9293 3.10.7.2: passive birth, closed by its owner", func(s *script) {
		s.child(1).to(synRecv, established, closeWait).step(lastAck, as(81, nginx)).to(closeState).destroy()
	}, model.ReasonFin, model.ClosedByPeer, model.Normal, model.RolePassive, events.ProvenanceExact, 5},
	{"RFC 9293 3.10.4: listener", func(s *script) {
		s.socket(1).to(listen, closeState).destroy()
	}, model.ReasonListenEnded, model.ClosedByLocal, model.Normal, model.RoleListener, events.ProvenanceExact, 2},
	{"RFC 9293 3.5, figure 7: simultaneous open", func(s *script) {
		s.socket(1).to(synSent, synRecv, established, finWait1, finWait2, closeState).destroy()
	}, model.ReasonFin, model.ClosedByLocal, model.Notable, model.RoleSimultaneous, events.ProvenanceExact, 6},
	{"RFC 9293 3.6, figure 13: simultaneous close", func(s *script) {
		s.socket(1).to(synSent, established, finWait1, closing, closeState).destroy()
	}, model.ReasonFin, model.ClosedByLocal, model.Notable, model.RoleActive, events.ProvenanceExact, 5},
	{"RFC 9293 3.10.7.3: refused", func(s *script) {
		k := s.socket(1).to(synSent)
		k.send(events.ResetReceived)
		k.step(closeState, errno(111), shutdown(0)).destroy()
	}, model.ReasonRefused, model.ClosedByPeer, model.Abnormal, model.RoleActive, events.ProvenanceExact, 2},
	{"RFC 9293 3.10.7.4: reset by peer", func(s *script) {
		k := s.socket(1).to(synSent, established)
		k.send(events.ResetReceived)
		k.step(closeState, errno(104), shutdown(0)).destroy()
	}, model.ReasonResetByPeer, model.ClosedByPeer, model.Abnormal, model.RoleActive, events.ProvenanceExact, 3},
	{"RFC 9293 3.10.5: linger 0, the RST comes after CLOSE", func(s *script) {
		k := s.socket(1).to(synSent, established)
		k.step(closeState, plus(model.Owned|model.Linger0))
		k.send(events.ResetSent, plus(model.ActiveReset))
		k.destroy()
	}, model.ReasonResetByLocalLinger, model.ClosedByLocal, model.Notable, model.RoleActive, events.ProvenanceExact, 3},
	{"RFC 9293 3.10.5: linger 0, the RST comes after the memory was freed", func(s *script) {
		k := s.socket(1).to(synSent, established)
		k.step(closeState, plus(model.Owned|model.Linger0)).destroy()
		k.send(events.ResetSent, plus(model.ActiveReset))
	}, model.ReasonResetByLocalLinger, model.ClosedByLocal, model.Notable, model.RoleActive, events.ProvenanceExact, 3},
	{"RFC 9293 3.6.1: data after close, only the late RST tells", func(s *script) {
		k := s.socket(1).to(synSent, established, finWait1, finWait2)
		k.step(closeState, flags(model.Dead)).destroy()
		k.send(events.ResetSent)
	}, model.ReasonResetByLocalOther, model.ClosedByLocal, model.Abnormal, model.RoleActive, events.ProvenanceExact, 5},
	{"FIN_WAIT2 mini-socket: an RST long before the end does not count", func(s *script) {
		k := s.socket(1).to(synSent, established)
		k.send(events.ResetSent)
		s.pass(1e9)
		k.to(finWait1, finWait2).step(closeState, flags(model.Dead)).destroy()
	}, model.ReasonFin, model.ClosedByLocal, model.Normal, model.RoleActive, events.ProvenanceExact, 5},
	{"tcp_abort of a listener: LISTEN>CLOSE, CLOSE>CLOSE", func(s *script) {
		k := s.socket(1).to(listen)
		k.step(closeState, shutdown(0), as(7, ss))
		k.step(closeState, plus(model.Owned), errno(103), shutdown(0), as(7, ss)).destroy()
	}, model.ReasonListenEnded, model.ClosedByLocal, model.Notable, model.RoleListener, events.ProvenanceExact, 3},
	{"ss -K", func(s *script) {
		k := s.socket(1).to(synSent, established)
		k.send(events.ResetSent, plus(model.ActiveReset))
		k.step(closeState, plus(model.Owned), errno(103), as(7, ss)).destroy()
	}, model.ReasonKilled, model.ClosedByKernel, model.Notable, model.RoleActive, events.ProvenanceExact, 3},
	{"close() after shutdown(): self transition", func(s *script) {
		k := s.socket(1).to(synSent, established).step(finWait1, flags(model.Owned|model.HasSocket), shutdown(2))
		k.step(finWait1, as(101, curl)).to(finWait2, closeState).destroy()
	}, model.ReasonFin, model.ClosedByLocal, model.Normal, model.RoleActive, events.ProvenanceExact, 6},
	{"in order, but the SYN was sent again", func(s *script) {
		k := s.socket(1).to(synSent)
		k.send(events.Retransmit, func(ev *events.Event) { ev.Extra = 1999 | flagSYN<<32 })
		k.to(established, finWait1, finWait2, closeState).destroy()
	}, model.ReasonFin, model.ClosedByLocal, model.Notable, model.RoleActive, events.ProvenanceExact, 5},
}

func TestLives(t *testing.T) {
	for _, l := range lives {
		t.Run(l.name, func(t *testing.T) {
			s := play(t, Options{})
			s.found()
			l.play(s)
			life := s.wantEnd(l.reason, l.by, l.verdict)
			if life.Role != l.role || life.Owner.Provenance != l.owner || life.Steps != l.steps {
				t.Errorf("role %s, owner %s, %d steps; want %s, %s, %d", life.Role, life.Owner.Provenance, life.Steps, l.role, l.owner, l.steps)
			}
			if !life.Complete() {
				t.Errorf("facts %b, want a complete life", life.Facts)
			}
			if life.Owner.Comm == ss {
				t.Error("ss -K became the owner")
			}
			s.pass(1e9)
			if n := len(s.of(events.Closed)); n != 1 {
				t.Errorf("%d closed reports later, want still 1", n)
			}
			if n := s.table.bySK.n; n != 0 {
				t.Errorf("%d sockets remain, want none", n)
			}
			for _, o := range s.said {
				if o.Judgement.Verdict == model.Impossible || o.Event.Kind == events.Transition && o.Judgement.Verdict == model.Unjudged {
					t.Errorf("%s>%s is %s: %s", o.Event.From, o.Event.To, o.Judgement.Verdict, o.Judgement.Rule)
				}
			}
		})
	}
}

// The end is reported once late evidence has had its 10 ms of event time, and
// no earlier.
func TestLateEvidenceIsAwaited(t *testing.T) {
	s := play(t, Options{})
	s.socket(1).to(synSent, established, closeWait, lastAck, closeState)
	s.pass(lateEvidence - 1)
	if n := len(s.of(events.Closed)); n != 0 {
		t.Errorf("%d closed reports before the time, want none", n)
	}
	s.pass(1)
	if n := len(s.of(events.Closed)); n != 1 {
		t.Errorf("%d closed reports, want 1", n)
	}
}

// An end that a rescue delivers late is reported at its own time, not behind the
// newer one that came first: a replay, which hears of that one from a line of
// its own, must say the same in the same order.
func TestLateEndDoesNotWaitBehindNewer(t *testing.T) {
	s := play(t, Options{})
	late := s.socket(1).to(synSent, established, closeWait, lastAck)
	at := s.now + 500
	s.now += lateEvidence / 2
	s.socket(2).to(synSent, established, closeWait, lastAck, closeState)
	late.step(closeState, func(ev *events.Event) { ev.Time = at })
	s.pass(at + lateEvidence - s.now)
	ends := s.of(events.Closed)
	if len(ends) != 1 || ends[0].Event.SK != 1 {
		t.Errorf("%d ends are told of, want that of the first socket alone", len(ends))
	}
}

func TestFinishReportsWhatStillWaits(t *testing.T) {
	s := play(t, Options{})
	s.socket(1).to(synSent, established, closeWait, lastAck, closeState)
	s.table.Finish()
	if n := len(s.of(events.Closed)); n != 1 {
		t.Errorf("%d closed reports, want 1", n)
	}
}

// Reset but still held by an fd: neither ss nor /proc shows it.
func TestHeldAfterTheEnd(t *testing.T) {
	s := play(t, Options{KeepClosed: 10})
	k := s.socket(1).to(synSent, established).step(closeState, errno(104))
	s.wantEnd(model.ReasonResetByPeer, model.ClosedByPeer, model.Abnormal)
	rows := s.table.Rows(nil)
	if len(rows) != 1 || s.table.Stats().Held != 1 {
		t.Fatalf("rows %+v, want the held socket", rows)
	}
	if life, ok := s.table.Socket(&rows[0]); !ok || !life.Held() {
		t.Error("the socket is not held")
	}
	k.destroy()
	if st := s.table.Stats(); st.Held != 0 || st.Closed != 1 {
		t.Errorf("stats %+v, want one closed life and nothing held", st)
	}
}

// The kernel clears the ports of the tuple before the last events; what was
// known stays known.
func TestTupleIsRemembered(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1)
	lport := k.ev.Lport
	k.step(synSent, func(ev *events.Event) { ev.Lport = 0 }) // before port selection
	k.to(established, closeWait, lastAck)
	k.step(closeState, func(ev *events.Event) { ev.Lport, ev.Rport, ev.Daddr = 0, 0, [16]byte{} })
	s.closed()
	for i, o := range s.said {
		if i > 0 && (o.Event.Lport != lport || o.Event.Rport != 443 || o.Event.Daddr != k.ev.Daddr) {
			t.Errorf("%s %s>%s has %s > %s", o.Event.Kind, o.Event.From, o.Event.To, o.Event.Local(), o.Event.Remote())
		}
	}
}

// Up to Linux 6.14 a newborn carries its listener's cookie, and no peer.
func TestStaleNewborn(t *testing.T) {
	s := play(t, Options{})
	k := s.child(2)
	k.step(synRecv, func(ev *events.Event) {
		ev.Cookie, ev.Rport, ev.Daddr = 0x1001, 0, [16]byte{}
		ev.Flags |= model.Stale
	})
	if o := s.said[0]; o.Event.Cookie != 0 {
		t.Errorf("the newborn has cookie %#x, want none yet", o.Event.Cookie)
	}
	k.to(established, closeWait, lastAck, closeState).destroy()
	life := s.wantEnd(model.ReasonFin, model.ClosedByPeer, model.Normal)
	if life.Cookie != 0x1002 || life.Rport != 50000 || life.ID != s.said[0].ID {
		t.Errorf("life %d has cookie %#x and peer port %d", life.ID, life.Cookie, life.Rport)
	}
}

// A new life of the same socket: a new id, the same cookie.
func TestReconnectOnTheSamePointer(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1).to(synSent).step(closeState, errno(111))
	k.to(synSent, established, finWait1, finWait2, closeState).destroy()
	ends := s.closed()
	if len(ends) != 2 {
		t.Fatalf("%d ends, want 2", len(ends))
	}
	if ends[0].ID == ends[1].ID || ends[0].Event.Cookie != ends[1].Event.Cookie {
		t.Errorf("ids %d and %d, cookies %#x and %#x", ends[0].ID, ends[1].ID, ends[0].Event.Cookie, ends[1].Event.Cookie)
	}
	if end := ends[1].Socket.End; end.Reason != model.ReasonFin || end.Verdict != model.Normal {
		t.Errorf("the second life ended %s, %s", end.Reason, end.Verdict)
	}
}

// The memory has a new socket, and the end of the former was not seen.
func TestPointerReuseWithoutDestroy(t *testing.T) {
	t.Run("after CLOSE", func(t *testing.T) {
		s := play(t, Options{})
		s.socket(1).to(synSent, established, closeWait, lastAck, closeState)
		next := s.child(1)
		next.ev.Cookie = 0x9999
		next.to(synRecv, established)
		s.wantEnd(model.ReasonFin, model.ClosedByPeer, model.Normal)
	})
	t.Run("mid-life, other cookie", func(t *testing.T) {
		s := play(t, Options{})
		s.socket(1).to(synSent, established)
		next := s.socket(1)
		next.ev.Cookie = 0x9999
		next.to(synSent, established)
		life := s.wantEnd(model.ReasonUnknown, model.ClosedByUnknown, model.Unjudged)
		if life.Complete() {
			t.Error("a life without an end is complete")
		}
		s.wantVerdicts(model.Normal, model.Normal, model.Normal, model.Normal)
	})
	t.Run("mid-life, same cookie, nothing lost", func(t *testing.T) {
		s := play(t, Options{})
		s.socket(1).to(synSent, established)
		s.socket(1).to(synSent)
		s.wantVerdicts(model.Normal, model.Normal, model.Impossible)
	})
	t.Run("mid-life, same cookie, events lost", func(t *testing.T) {
		s := play(t, Options{})
		s.socket(1).to(synSent, established)
		s.lose(3, events.WhereRing)
		s.socket(1).to(synSent)
		s.wantVerdicts(model.Normal, model.Normal, model.Normal)
	})
	t.Run("destroyed without CLOSE", func(t *testing.T) {
		s := play(t, Options{})
		s.socket(1).to(synSent, established).destroy()
		s.wantEnd(model.ReasonUnknown, model.ClosedByUnknown, model.Unjudged)
	})
}

func TestBrokenContinuity(t *testing.T) {
	t.Run("nothing lost: impossible", func(t *testing.T) {
		s := play(t, Options{})
		k := s.socket(1).to(synSent, established)
		k.st = closeWait
		k.to(lastAck, closeState).destroy()
		s.wantVerdicts(model.Normal, model.Normal, model.Impossible, model.Normal)
		life := s.wantEnd(model.ReasonFin, model.ClosedByPeer, model.Impossible)
		if life.End.Rule != model.RuleContinuity {
			t.Errorf("rule %s, want continuity", life.End.Rule)
		}
	})
	t.Run("events lost: unjudged, others stay judged", func(t *testing.T) {
		s := play(t, Options{})
		k, other := s.socket(1).to(synSent, established), s.socket(2).to(synSent, established)
		s.lose(5, events.WhereRing)
		k.st = closeWait
		k.to(lastAck, closeState).destroy()
		s.wantVerdicts(model.Normal, model.Normal, model.Normal, model.Normal, model.Unjudged, model.Normal)
		if o := s.of(events.Transition)[4]; o.LostSince != 5 || o.Judgement.Rule != model.RuleEventsLost {
			t.Errorf("%d lost, %s; want 5, events-lost", o.LostSince, o.Judgement.Rule)
		}
		life := s.wantEnd(model.ReasonFin, model.ClosedByPeer, model.Unjudged)
		if life.Complete() {
			t.Error("complete, want not: events were lost")
		}
		other.to(closeWait, lastAck, closeState).destroy()
		end := s.closed()[1].Socket
		if end.End.Verdict != model.Normal || end.Complete() {
			t.Errorf("the other socket ended %s, complete %v; want normal, and not complete", end.End.Verdict, end.Complete())
		}
		s.socket(3).to(synSent, established, closeWait, lastAck, closeState).destroy()
		if !s.closed()[2].Socket.Complete() {
			t.Error("a life born after the loss is not complete")
		}
	})
	t.Run("loss at the very end", func(t *testing.T) {
		s := play(t, Options{})
		s.socket(1).to(synSent, established, closeWait, lastAck, closeState)
		s.lose(1, events.WhereRing)
		if life := s.closed()[0].Socket; life.Complete() || life.End.Verdict != model.Normal {
			t.Errorf("complete %v, %s; want incomplete and normal", life.Complete(), life.End.Verdict)
		}
	})
}

// Unjudged in the middle of a life is not forgotten for a normal step after.
func TestWorstVerdictOfARow(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1).to(synSent, established)
	s.lose(1, events.WhereRing)
	k.st = closeWait
	k.to(lastAck)
	k.step(lastAck)
	if r := s.table.Rows(nil)[0]; r.Verdict != model.Unjudged {
		t.Errorf("row is %s, want unjudged", r.Verdict)
	}
}

// The longest histories keep their beginning and their newest steps.
func TestHistoryIsBounded(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1).to(synSent, established, finWait1)
	for range 40 {
		k.to(finWait1)
	}
	k.to(finWait2, closeState)
	life := s.wantEnd(model.ReasonFin, model.ClosedByLocal, model.Normal)
	h := life.History()
	if len(h) != MaxSteps || int(life.Skipped) != 45-MaxSteps || life.Steps != 45 {
		t.Errorf("%d kept, %d skipped of %d", len(h), life.Skipped, life.Steps)
	}
	if h[0].State != synSent || h[1].State != established || h[MaxSteps-1].State != closeState || h[MaxSteps-2].State != finWait2 {
		t.Errorf("history %+v", h)
	}
	if life.Complete() {
		t.Error("complete, want not: steps are left out")
	}
}

// An impossible step that is no longer in the history still names the rule.
func TestImpossibleStepIsNotForgotten(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1).to(synSent, established, finWait1, closing)
	k.st = finWait1
	for range 30 {
		k.to(finWait1)
	}
	k.to(finWait2, closeState)
	life := s.wantEnd(model.ReasonFin, model.ClosedByLocal, model.Impossible)
	if life.End.Rule != model.RuleContinuity {
		t.Errorf("rule %s, want continuity", life.End.Rule)
	}
}
