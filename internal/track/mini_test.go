package track

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

const miniLife = 60e9 // TCP_TIMEWAIT_LEN

// mini sends what the timer of the mini-socket that follows k does.
func (k *socket) mini(kind events.Kind, changes ...change) *socket {
	return k.send(kind, append([]change{func(ev *events.Event) {
		ev.SK, ev.From, ev.To = k.ev.SK+1<<40, model.TimeWait, model.TimeWait
		ev.SndNxt, ev.RcvNxt = 2001, 5001
		if kind == events.TWStart {
			ev.Extra = miniLife
		}
	}}, changes...)...)
}

func cause(c events.Cause) change {
	return func(ev *events.Event) { ev.Count = uint8(c) }
}

func (s *script) timersOn() *script {
	s.apply(events.Event{Kind: events.TimersOn, Time: s.now})
	return s
}

// closesFirst takes a socket to where its mini-socket takes over.
func (k *socket) closesFirst() *socket {
	return k.to(synSent, established, finWait1, finWait2).mini(events.TWStart).to(closeState).destroy()
}

// ends returns how the mini-sockets told of so far have ended.
func (s *script) ends() (all []Observation) {
	for _, o := range s.of(events.Mini) {
		if o.MiniEnded {
			all = append(all, o)
		}
	}
	return all
}

// The life goes on in the mini-socket, with the id, the owner and the cookie it
// had; it is told of after the end of the full socket, once when it begins and
// once when it ends.
func TestTimeWaitGoesOn(t *testing.T) {
	s := play(t, Options{}).timersOn()
	k := s.socket(1).closesFirst()
	s.pass(lateEvidence)
	said := s.of(events.Mini)
	if len(said) != 1 || said[0].MiniEnded || said[0].Event.Extra != miniLife || said[0].Event.From != model.TimeWait {
		t.Fatalf("told of the mini-socket: %+v, want its beginning", said)
	}
	end := s.of(events.Closed)[0]
	if said[0].ID != end.ID || said[0].Owner != end.Owner || said[0].Event.Cookie != end.Event.Cookie || said[0].Owner.PID != 100 {
		t.Errorf("the mini-socket is %d of %+v, want %d of %+v", said[0].ID, said[0].Owner, end.ID, end.Owner)
	}
	if r := s.wantRows(model.TimeWait)[0]; r.ID != end.ID || r.Owner.PID != 100 || r.EndTime != 0 {
		t.Errorf("row %+v", r)
	}
	s.now += miniLife
	k.mini(events.TWExpire)
	ends := s.ends()
	if len(ends) != 1 || ends[0].Judgement != model.TWExpired.Judge() || ends[0].InState < miniLife {
		t.Errorf("ends %+v", ends)
	}
	s.wantRows()
}

// Each way in which a mini-socket ends (kernel.md 3.3).
func TestTimeWaitEnds(t *testing.T) {
	cases := map[string]struct {
		play func(s *script, k *socket)
		end  model.TimeWaitEnd
		next bool // a successor is named
	}{
		"timer": {func(s *script, k *socket) { s.now += miniLife; k.mini(events.TWExpire) }, model.TWExpired, false},
		"RFC 1337 RST": {func(_ *script, k *socket) {
			k.mini(events.TWCancel, cause(events.CauseRST))
		}, model.TWAssassinated, false},
		"ss -K":          {func(_ *script, k *socket) { k.mini(events.TWCancel, cause(events.CauseAbort)) }, model.TWKilled, false},
		"namespace gone": {func(_ *script, k *socket) { k.mini(events.TWCancel, cause(events.CauseNetns)) }, model.TWNetnsGone, false},
		"no evidence":    {func(_ *script, k *socket) { k.mini(events.TWCancel) }, model.TWUnknown, false},
		"data":           {func(_ *script, k *socket) { k.mini(events.TWCancel, cause(events.CauseData)) }, model.TWData, false},
		"the timer is set again": {func(s *script, k *socket) {
			k.mini(events.TWCancel).mini(events.TWStart)
			s.now += miniLife
			k.mini(events.TWExpire)
		}, model.TWExpired, false},
		"connect, RFC 6191": {func(s *script, k *socket) {
			next := s.socket(2).to(synSent)
			k.mini(events.TWCancel, cause(events.CauseConnect))
			next.to(established)
		}, model.TWReused, true},
		"a new SYN, and its handshake takes a while": {func(s *script, k *socket) {
			k.mini(events.TWCancel, cause(events.CauseSYN))
			s.pass(5e8)
			next := s.socket(2)
			next.st = model.Listen
			next.to(synRecv, established)
		}, model.TWReused, true},
		"a new SYN, and its handshake fails": {func(_ *script, k *socket) {
			k.mini(events.TWCancel, cause(events.CauseSYN))
		}, model.TWReused, false},
		"the cancel was lost, and the first sequence number proves it": {func(s *script, k *socket) {
			s.lose(1, events.WhereRing)
			s.socket(2).to(synSent).step(established, func(ev *events.Event) {
				ev.SndUna, ev.BytesAcked = 2001+isnStep+1, 1
			})
		}, model.TWReused, true},
		"the cancel was lost, and nothing proves anything": {func(s *script, k *socket) {
			s.lose(1, events.WhereRing)
			s.socket(2).to(synSent, established)
		}, model.TWUnknown, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := play(t, Options{}).timersOn()
			k := s.socket(1).closesFirst()
			s.pass(1e9)
			c.play(s, k)
			s.pass(successorWait)
			s.pass(successorWait)
			ends := s.ends()
			if len(ends) != 1 || ends[0].Judgement != c.end.Judge() {
				t.Fatalf("ends %+v, want %s", ends, c.end)
			}
			if (ends[0].Successor != 0) != c.next {
				t.Errorf("successor %d", ends[0].Successor)
			}
			if began := len(s.of(events.Mini)) - 1; began != 1 {
				t.Errorf("%d beginnings", began)
			}
		})
	}
}

// The kernel lets packets in between the beginning of a mini-socket and the end of
// its full socket (tcp_time_wait): what they do to it is told of the one life.
func TestPacketsOvertakeTheEnd(t *testing.T) {
	orphan := func(ev *events.Event) { ev.From = model.FinWait2 }
	cases := map[string]struct {
		overtakes func(k *socket)
		end       model.TimeWaitEnd
	}{
		"the peer's FIN":           {func(k *socket) { k.mini(events.TWCancel, orphan).mini(events.TWStart) }, model.TWExpired},
		"the peer's FIN, in a row": {func(k *socket) { k.mini(events.TWStart).mini(events.TWStart) }, model.TWExpired},
		"a reset, RFC 1337":        {func(k *socket) { k.mini(events.TWCancel, cause(events.CauseRST)) }, model.TWAssassinated},
		"the peer's FIN, then a reset": {func(k *socket) {
			k.mini(events.TWStart).mini(events.TWCancel, cause(events.CauseRST))
		}, model.TWAssassinated},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := play(t, Options{}).timersOn()
			k := s.socket(1).to(synSent, established, finWait1, finWait2).mini(events.TWStart, orphan)
			c.overtakes(k)
			k.step(closeState, flags(model.Dead)).destroy()
			s.pass(2 * startWait)
			if c.end == model.TWExpired {
				if r := s.wantRows(model.TimeWait)[0]; r.Substate != model.TimeWait || r.ID != 1 {
					t.Errorf("row %+v", r)
				}
				s.now += miniLife
				k.mini(events.TWExpire)
			}
			ends := s.ends()
			if len(ends) != 1 || ends[0].Judgement != c.end.Judge() || ends[0].ID != 1 {
				t.Errorf("ends %+v, want %s", ends, c.end)
			}
			if began := len(s.of(events.Mini)) - 1; began != 1 {
				t.Errorf("%d beginnings", began)
			}
			s.wantRows()
		})
	}
}

// One of which only the timer tells, and which a reset ended, is no socket.
func TestStartThatIsCancelled(t *testing.T) {
	s := play(t, Options{}).timersOn()
	s.socket(1).mini(events.TWStart).mini(events.TWStart).mini(events.TWCancel, cause(events.CauseRST))
	s.pass(2 * startWait)
	s.wantRows()
}

// No timer is started when net.ipv4.tcp_max_tw_buckets is reached; after a loss
// that proves nothing.
func TestTimeWaitOverflow(t *testing.T) {
	for lost, want := range map[uint64]model.TimeWaitEnd{0: model.TWOverflow, 1: model.TWUnknown} {
		s := play(t, Options{}).timersOn()
		k := s.socket(1).to(synSent, established, finWait1, finWait2)
		if lost > 0 {
			s.lose(lost, events.WhereRing)
		}
		k.to(closeState).destroy()
		s.pass(lateEvidence)
		ends := s.ends()
		if len(ends) != 1 || ends[0].Judgement != want.Judge() || len(s.of(events.Mini)) != 1 {
			t.Errorf("%d lost: ends %+v, want %s and no beginning", lost, ends, want)
		}
		s.wantRows()
	}
}

// Without the timers a mini-socket is presumed until a look meets it, and its
// end is what looks can prove.
func TestTimeWaitByLooksAlone(t *testing.T) {
	cases := map[string]struct {
		play func(s *script, k *socket)
		end  []model.TimeWaitEnd
	}{
		"met, and gone after its time": {func(s *script, k *socket) {
			s.looks(k.waits)
			s.pass(miniLife)
			s.looks()
			s.looks()
		}, []model.TimeWaitEnd{model.TWExpired}},
		"met, and gone before its time": {func(s *script, k *socket) {
			s.looks(k.waits)
			s.looks()
			s.looks()
		}, []model.TimeWaitEnd{model.TWUnknown}},
		"never met": {func(s *script, _ *socket) {
			s.looks()
			s.looks()
		}, []model.TimeWaitEnd{model.TWUnknown}},
		"passed by once": {func(s *script, k *socket) {
			s.looks(k.waits)
			s.looks()
			s.looks(k.waits)
		}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := play(t, Options{})
			k := s.socket(1).to(synSent, established, finWait1, finWait2, closeState).destroy()
			s.pass(1e9)
			if r := s.wantRows(model.TimeWait)[0]; !r.Presumed {
				t.Error("the mini-socket is certain before anything has shown it")
			}
			c.play(s, k)
			var got []model.TimeWaitEnd
			for _, o := range s.ends() {
				end, _ := model.TimeWaitEndOf(o.Judgement.Rule)
				got = append(got, end)
			}
			if len(got) != len(c.end) || len(got) > 0 && got[0] != c.end[0] {
				t.Errorf("ends %v, want %v", got, c.end)
			}
			if s.table.stats.Mended.Total() != 0 {
				t.Errorf("mended %+v: nothing was wrong", s.table.stats.Mended)
			}
		})
	}
}

// waits is the row of the mini-socket that follows k.
func (k *socket) waits() {
	k.row(k.s.now, in(model.TimeWait), func(ev *events.Event) {
		ev.SK, ev.From, ev.Extra = k.ev.SK+1<<40, model.TimeWait, miniLife
	})
}

// An orphan in FIN_WAIT2 that is answered with a reset has no mini-socket.
func TestResetInsteadOfMini(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1).to(synSent, established, finWait1, finWait2).step(closeState, flags(model.Dead))
	k.send(events.ResetSent).destroy()
	s.pass(lateEvidence)
	s.wantRows()
	if n := len(s.of(events.Mini)); n != 0 {
		t.Errorf("%d lines of a mini-socket that was never there", n)
	}
}

// The inventory meets a mini-socket before the stream tells of the end of its
// full socket: it is one life.
func TestMiniFoundBeforeItsSocketEnds(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1).to(synSent, established, finWait1, finWait2)
	s.now += 1000
	k.waits()
	k.to(closeState).destroy()
	s.pass(1e9)
	if r := s.wantRows(model.TimeWait)[0]; r.ID != 1 || r.Presumed {
		t.Errorf("row %+v, want the life that the stream told of", r)
	}
	if n := len(s.of(events.Inventory)); n != 0 {
		t.Errorf("%d inventory lines, want none", n)
	}
}
