package track

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// wantRows checks which lives have an address, in any order of addresses.
func (s *script) wantRows(want ...model.State) []Row {
	s.t.Helper()
	rows := s.table.Rows(nil)
	if len(rows) != len(want) {
		s.t.Fatalf("%d rows, want %d: %+v", len(rows), len(want), rows)
	}
	for i := range rows {
		if rows[i].State != want[i] {
			s.t.Errorf("row %d is in %s, want %s", i, rows[i].State, want[i])
		}
	}
	return rows
}

// An inventory and the stream tell of the same sockets in any order.
func TestInventoryMeetsTheStream(t *testing.T) {
	cases := []struct {
		name  string
		play  func(*script)
		state model.State // of the one socket that is left, 0 for none
		began Began
		told  int // inventory lines
	}{
		{"found, no event", func(s *script) {
			s.socket(1).row(s.now, in(established))
		}, established, BeganInPast, 1},
		{"row, then events", func(s *script) {
			k := s.socket(1)
			k.row(s.now, in(established))
			k.st = established
			k.to(closeWait)
		}, closeWait, BeganInPast, 1},
		{"events, then an older row", func(s *script) {
			k := s.socket(1)
			k.st = established
			at := s.now
			k.to(closeWait)
			k.row(at, in(established))
		}, closeWait, BeganInPast, 0},
		{"events, then a younger row", func(s *script) {
			k := s.socket(1).to(synSent, established)
			k.row(s.now + 5)
		}, established, BeganSeen, 0},
		{"the row overtakes the birth", func(s *script) {
			k := s.socket(1)
			k.row(s.now+1e6, in(established))
			k.to(synSent, established)
		}, established, BeganSeen, 0},
		{"the row overtakes an event in mid-life", func(s *script) {
			k := s.socket(1)
			k.row(s.now+1e6, in(closeWait))
			k.st = established
			k.to(closeWait)
		}, closeWait, BeganInPast, 0},
		{"destroyed, then a late row", func(s *script) {
			k := s.socket(1).to(synSent, established)
			at := s.now
			k.to(closeWait, lastAck, closeState).destroy()
			s.pass(lateEvidence)
			k.row(at, in(established))
		}, 0, 0, 0},
		{"unknown socket destroyed, then a late row", func(s *script) {
			k := s.socket(1)
			at := s.now
			k.destroy()
			k.row(at, in(established))
		}, 0, 0, 0},
		{"destroyed, then a row of the next socket at the address", func(s *script) {
			s.socket(1).destroy()
			k := s.socket(1)
			k.ev.Cookie = 77
			k.row(s.now+10, in(established))
		}, established, BeganInPast, 1},
		{"a row of the next socket, then the former is destroyed", func(s *script) {
			former, next := s.socket(1), s.socket(1)
			next.ev.Cookie = 77
			next.row(s.now+1e6, in(established))
			former.destroy()
		}, established, BeganInPast, 1},
		{"a row of the next socket, then the former ends and the next is born", func(s *script) {
			former, next := s.socket(1), s.child(1)
			next.ev.Cookie = 77
			next.row(s.now+1e6, in(established))
			former.st = lastAck
			former.to(closeState).destroy()
			next.to(synRecv, established)
		}, established, BeganSeen, 0},
		{"holder, then row", func(s *script) {
			k := s.socket(1)
			k.fd(5, in(established))
			k.row(s.now, in(established))
		}, established, BeganInPast, 1},
		{"row, then holder", func(s *script) {
			k := s.socket(1)
			k.row(s.now, in(established))
			k.fd(5, in(established))
		}, established, BeganInPast, 1},
		{"holder alone: a namespace that cannot be entered", func(s *script) {
			s.socket(1).fd(5, in(closeWait))
		}, closeWait, BeganInPast, 1},
		{"holder, then an event, then the row", func(s *script) {
			k := s.socket(1)
			k.fd(5, in(established))
			k.st = established
			at := s.now
			k.to(closeWait)
			k.row(at, in(established))
		}, closeWait, BeganInPast, 1},
		{"held in CLOSE", func(s *script) {
			s.socket(1).fd(5, in(closeState))
		}, closeState, BeganInPast, 1},
		{"held in CLOSE, then freed before anybody heard of it", func(s *script) {
			k := s.socket(1)
			k.fd(5, in(closeState))
			k.destroy()
		}, 0, 0, 0},
		{"never connected", func(s *script) {
			s.socket(1).fd(5, in(closeState), func(ev *events.Event) { ev.Rport = 0 })
			s.socket(2).row(s.now, in(closeState))
		}, 0, 0, 0},
		{"request sockets are shown, not kept", func(s *script) {
			s.socket(2).row(s.now, in(model.NewSynRecv))
		}, 0, 0, 1},
		{"mini-sockets are kept", func(s *script) {
			s.socket(1).row(s.now, in(model.TimeWait))
		}, model.TimeWait, BeganInPast, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := play(t, Options{})
			c.play(s)
			s.pass(1e7)
			s.found()
			s.pass(1e7)
			if c.state == 0 {
				s.wantRows()
			} else if r := s.wantRows(c.state)[0]; r.Facts&BeganBefore != 0 != (c.began == BeganInPast) {
				t.Errorf("facts %b, want began %s", r.Facts, c.began)
			}
			if n := len(s.of(events.Inventory)); n != c.told {
				t.Errorf("%d inventory lines, want %d", n, c.told)
			}
			for _, o := range s.said {
				if o.Judgement.Verdict == model.Impossible {
					t.Errorf("%s %s>%s is impossible: %s", o.Event.Kind, o.Event.From, o.Event.To, o.Judgement.Rule)
				}
			}
		})
	}
}

// A socket found is told of before its first event, and its owner with it.
func TestFoundIsToldOfInOrder(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1)
	k.fd(5, in(listen), as(80, nginx))
	k.row(s.now, in(listen), func(ev *events.Event) { ev.Extra = 3 | 128<<32 })
	k.st = listen
	k.to(closeState)
	if len(s.said) != 2 || s.said[0].Event.Kind != events.Inventory || s.said[1].Event.Kind != events.Transition {
		t.Fatalf("%d observations, want the row and then the transition", len(s.said))
	}
	row := s.said[0]
	if n, limit := row.Event.AcceptQueue(); n != 3 || limit != 128 {
		t.Errorf("accept queue %d of %d, want 3 of 128", n, limit)
	}
	if row.Owner.Comm != nginx || row.Owner.FD != 5 {
		t.Errorf("owner %+v, want nginx with fd 5", row.Owner)
	}
	if s.said[1].InState != -1 {
		t.Errorf("in LISTEN for %d ns, want unknown: it was found there", s.said[1].InState)
	}
	if row.ID != s.said[1].ID {
		t.Errorf("ids %d and %d, want the same life", row.ID, s.said[1].ID)
	}
}

// A found socket with mid-life transitions is judged edge by edge; its life as
// a whole is not.
func TestFoundThenEnds(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1)
	k.row(s.now, in(established))
	s.found()
	s.pass(1e6)
	k.st = established
	k.to(closeWait, lastAck, closeState).destroy()
	s.wantVerdicts(model.Normal, model.Normal, model.Normal)
	life := s.wantEnd(model.ReasonFin, model.ClosedByPeer, model.Unjudged)
	if life.End.Rule != model.RuleBeganBefore {
		t.Errorf("rule %s, want began-before", life.End.Rule)
	}
}

// A row told of whose socket turns out to be another is ended, not dropped:
// whoever reads the lines must not keep it for ever.
func TestToldRowIsEnded(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1)
	k.row(s.now, in(established))
	s.pass(1e6)
	next := s.socket(1)
	next.ev.Cookie = 77
	next.to(synSent, established)
	if n := len(s.of(events.Closed)); n != 1 {
		t.Errorf("%d ends, want that of the row", n)
	}
}

// An fd of a former socket at the address does not make an owner, even while
// the newborn's cookie is not known (Linux up to 6.14).
func TestHolderOfTheFormerSocket(t *testing.T) {
	s := play(t, Options{})
	at := s.now
	k := s.child(1)
	k.step(synRecv, plus(model.Stale))
	former := s.socket(1)
	former.ev.Cookie = 77
	former.fd(9, in(established), func(ev *events.Event) { ev.Time = at })
	if w := s.table.lookup(1).Owner; w.Provenance != events.ProvenanceInherited {
		t.Errorf("owner %+v, want the listener's", w)
	}
}

// listing is a Sink that keeps what an inventory tells.
type listing []Observation

func (l *listing) Observe(o *Observation) { *l = append(*l, *o) }

// What is there now: the open and the held, each with the time in its state where
// that was seen beginning.
func TestInventoryOfTheTable(t *testing.T) {
	s := play(t, Options{KeepClosed: 10})
	s.socket(1).row(s.now, in(established))
	s.socket(2).to(synSent, established)
	s.socket(3).to(synSent, established, closeState)           // reset, and held
	s.socket(4).to(synSent, established, closeState).destroy() // gone
	s.pass(lateEvidence)
	var got listing
	s.table.Inventory(s.now+5, &got)
	want := []struct {
		state   model.State
		inState int64
		began   Began
		verdict model.Verdict
	}{
		{established, -1, BeganInPast, model.Unjudged},
		{established, lateEvidence + 7005, BeganSeen, model.Normal},
		{closeState, lateEvidence + 4005, BeganSeen, model.Normal},
	}
	if len(got) != len(want) {
		t.Fatalf("%d sockets, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		o := &got[i]
		if o.Event.Kind != events.Inventory || o.ID != uint64(i+1) || o.Event.Cookie != 0x1001+uint64(i) || o.Event.Time != s.now+5 {
			t.Errorf("%+v", o)
		}
		if o.Event.To != w.state || o.InState != w.inState || o.Began != w.began || o.Judgement.Verdict != w.verdict {
			t.Errorf("%d: %s for %d, began %s, %s; want %+v", i, o.Event.To, o.InState, o.Began, o.Judgement.Verdict, w)
		}
	}
}
