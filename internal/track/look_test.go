package track

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// looks is an inventory of the one namespace of scripts that takes a
// millisecond: rows are sent while it is under way, and the stream then catches
// up.
func (s *script) looks(rows ...func()) {
	s.t.Helper()
	s.pass(1e6)
	began := s.now
	s.apply(events.Event{Kind: events.Look, Time: began})
	s.now += 5e5
	for _, row := range rows {
		row()
	}
	s.now += 5e5
	s.apply(events.Event{Kind: events.Walked, Time: began, Netns: 4026531840, NetnsCookie: 1})
	s.found()
	s.pass(1e6)
}

// looksAgain looks for as long as the table asks for it, which it must.
func (s *script) looksAgain(rows ...func()) {
	s.t.Helper()
	if s.table.LookBy() == 0 {
		s.t.Fatal("no look is asked for")
	}
	const most = 5
	for n := 0; s.table.LookBy() != 0 && s.table.LookBy() <= s.now; n++ {
		if n == most {
			s.t.Fatalf("one more look is asked for after %d", n)
		}
		s.looks(rows...)
	}
}

// is is the row of k as it is.
func (k *socket) is() { k.row(k.s.now) }

// What a look finds wrong is mended and counted, what has changed since it began
// is left alone.
func TestLooksMend(t *testing.T) {
	const ring = events.WhereRing
	cases := map[string]struct {
		play   func(s *script)
		want   Mending // but for Looks
		states []model.State
	}{
		"nothing wrong": {func(s *script) {
			k := s.socket(1).to(synSent, established)
			s.looks(k.is)
			s.looks(k.is)
		}, Mending{}, []model.State{established}},
		"a birth was lost": {func(s *script) {
			s.looks()
			s.lose(2, ring)
			k := s.socket(1)
			k.st = established
			s.looks(k.is)
		}, Mending{Missing: 1}, []model.State{established}},
		"a birth was on its way": {func(s *script) {
			s.looks()
			late := s.socket(1)
			late.st = established
			at := s.now + 1e6
			s.looks(late.is, func() {
				for _, ev := range []events.Event{
					{From: closeState, To: synSent}, {From: synSent, To: established},
				} {
					e := late.event(events.Transition)
					e.From, e.To, e.Time = ev.From, ev.To, at
					s.apply(e)
				}
			})
		}, Mending{}, []model.State{established}},
		"an end was lost": {func(s *script) {
			s.socket(1).to(synSent, established)
			s.lose(1, ring)
			s.looks()
			s.looks()
		}, Mending{Phantom: 1}, nil},
		"a look passes by": {func(s *script) {
			k := s.socket(1).to(synSent, established)
			s.looks()
			s.looks(k.is)
			s.looks()
		}, Mending{}, []model.State{established}},
		"a change was lost": {func(s *script) {
			k := s.socket(1).to(synSent, established)
			s.lose(1, ring)
			k.st = closeWait
			s.looks(k.is)
		}, Mending{State: 1}, []model.State{closeWait}},
		"a change came during the look": {func(s *script) {
			k := s.socket(1).to(synSent, established)
			s.looks(k.is, func() { k.to(closeWait) })
		}, Mending{}, []model.State{closeWait}},
		"a change came between the fd and the walk, and the end was lost": {func(s *script) {
			k := s.socket(1).to(synSent, established, closeWait)
			s.looks(func() { k.fd(5); k.to(lastAck) })
		}, Mending{}, []model.State{lastAck}},
		"born during the look": {func(s *script) {
			s.looks(func() { s.socket(1).to(synSent) })
			s.looks()
		}, Mending{}, []model.State{synSent}},
		"another namespace": {func(s *script) {
			k := s.socket(1)
			k.ev.Netns, k.ev.NetnsCookie = 7, 7
			k.to(synSent, established)
			s.looks()
			s.looks()
		}, Mending{}, []model.State{established}},
		"the number of another namespace, used again": {func(s *script) {
			k := s.socket(1)
			k.ev.NetnsCookie = 7
			k.to(synSent, established)
			s.looks()
			s.looks()
		}, Mending{}, []model.State{established}},
		"another namespace that is gone, after a loss": {func(s *script) {
			k := s.socket(1)
			k.ev.Netns, k.ev.NetnsCookie = 7, 7
			k.to(synSent, established)
			s.lose(1, ring)
			s.pass(unreachableFor)
			s.looks()
			s.looks()
		}, Mending{Phantom: 1}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := play(t, Options{})
			c.play(s)
			got := s.table.Stats().Mended
			if got.Looks = 0; got != c.want {
				t.Errorf("mended %+v, want %+v", got, c.want)
			}
			s.wantRows(c.states...)
			for _, o := range s.said {
				if o.Judgement.Verdict == model.Impossible {
					t.Errorf("%s %s>%s is impossible: %s", o.Event.Kind, o.Event.From, o.Event.To, o.Judgement.Rule)
				}
			}
		})
	}
}

// Where an end and a birth at the same address were lost, the new socket is found
// once the old one is given up: one look more is asked for.
func TestLooksFindTheNextAtAnAddress(t *testing.T) {
	s := play(t, Options{})
	s.looks()
	s.socket(1).to(synSent, established)
	s.lose(3, events.WhereRing)
	next := s.socket(1)
	next.ev.Cookie, next.st = 7, closeWait
	s.looksAgain(next.is)
	if rows := s.wantRows(closeWait); rows[0].Cookie != 7 {
		t.Errorf("cookie %x, want 7", rows[0].Cookie)
	}
}

// What lived at the address may have been in a namespace that no look walks, or be
// held by an fd that none shows: the row of the next proves it gone.
func TestLooksBelieveTheNextAtAnAddress(t *testing.T) {
	for name, lost := range map[string]func(*socket){
		"elsewhere": func(k *socket) {
			k.ev.Netns, k.ev.NetnsCookie = 7, 7
			k.to(synSent, established)
		},
		"held": func(k *socket) { k.to(synSent, established, closeWait, lastAck, closeState) },
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, Options{})
			s.looks()
			lost(s.socket(1))
			s.pass(lateEvidence)
			next := s.socket(1)
			next.ev.Cookie, next.st = 7, closeWait
			s.looks(next.is)
			s.looksAgain(next.is)
			if rows := s.wantRows(closeWait); rows[0].Cookie != 7 {
				t.Errorf("cookie %x, want 7", rows[0].Cookie)
			}
		})
	}
}

// A row that an earlier socket's end overtakes is asked for again, if what
// happened to its own socket may have been lost.
func TestLooksAskAgainForARowOvertaken(t *testing.T) {
	s := play(t, Options{})
	s.looks()
	before, next := s.socket(1), s.socket(1)
	before.st = lastAck
	next.ev.Cookie, next.st = 7, closeWait
	s.lose(2, events.WhereRing)
	late := s.now
	s.looks(next.is, func() {
		for _, kind := range []events.Kind{events.Transition, events.Destroy} {
			ev := before.event(kind)
			ev.From, ev.To, ev.Time = lastAck, closeState, late
			s.apply(ev)
		}
	})
	s.looksAgain(next.is)
	s.wantRows(closeWait)
}

// A look that broke off ends nobody, and is made again.
func TestLooksThatBreakOff(t *testing.T) {
	s := play(t, Options{})
	s.socket(1).to(synSent, established)
	for range absences + 1 {
		s.apply(events.Event{Kind: events.Look, Time: s.now})
		s.apply(events.Event{Kind: events.Walked, Time: s.now, Netns: 4026531840, NetnsCookie: 1})
		s.apply(events.Event{Kind: events.Found, Time: s.now, Evidence: model.Evidence{Err: 1}, LostCount: 1})
		s.pass(1e6)
		if s.table.LookBy() == 0 {
			t.Fatal("no look is asked for")
		}
	}
	s.wantRows(established)
}

// The memory of a socket may be another's by the time that a late event of its
// freeing comes.
func TestDestroyOfAnEarlierSocket(t *testing.T) {
	s := play(t, Options{})
	ev := s.socket(1).event(events.Destroy)
	s.pass(1e6)
	s.socket(1).to(synSent, established)
	s.apply(ev)
	s.wantRows(established)
}

// The local port of a client comes with its second event: if that was lost, a look
// knows it.
func TestLooksLearnThePort(t *testing.T) {
	s := play(t, Options{})
	k := s.socket(1)
	port := k.ev.Lport
	k.ev.Lport = 0
	k.to(synSent)
	s.lose(1, events.WhereRing)
	k.ev.Lport, k.st = port, established
	s.looks(k.is)
	if rows := s.wantRows(established); rows[0].Lport != port {
		t.Errorf("port %d, want %d", rows[0].Lport, port)
	}
}

// After a hole nothing is judged that rests on it; once a look has agreed with
// the table, the next transitions are judged again.
func TestJudgedAgainAfterALook(t *testing.T) {
	for name, c := range map[string]struct {
		look bool
		want model.Verdict
	}{"hole": {false, model.Unjudged}, "hole, and a look": {true, model.Impossible}} {
		t.Run(name, func(t *testing.T) {
			s := play(t, Options{})
			k := s.socket(1).to(synSent, established)
			s.lose(1, events.WhereRing)
			if c.look {
				s.looks(k.is)
				s.pass(1e6)
			}
			k.st = finWait1 // it is not, as far as anybody knows
			k.to(finWait2)
			all := s.of(events.Transition)
			if got := all[len(all)-1].Judgement.Verdict; got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// When a table asks for a look.
func TestLookBy(t *testing.T) {
	cases := map[string]struct {
		play  func(s *script)
		want  uint64 // after the last look; 0 is never
		every uint64 // Options.LookEvery
	}{
		"nothing happens":    {func(*script) {}, 0, 0},
		"something happens":  {func(s *script) { s.socket(1).to(synSent) }, lookEvery, 0},
		"events are lost":    {func(s *script) { s.lose(1, events.WhereNested) }, 1, 0},
		"mini-sockets wait":  {func(s *script) { s.socket(1).to(synSent, established, finWait1, finWait2, closeState) }, lookForMinis, 0},
		"accepted":           {func(s *script) { s.child(1).to(synRecv, established) }, lookForOwners, 0},
		"timers are watched": {func(s *script) { s.timersOn().looks(); s.socket(1).closesFirst() }, lookEvery, 0},
		"wanted often":       {func(*script) {}, 5e9, 5e9},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := play(t, Options{LookEvery: c.every})
			s.looks()
			c.play(s)
			s.pass(lateEvidence)
			last, got := s.table.looks.last, s.table.LookBy()
			switch c.want {
			case 0, 1:
				if got != min(c.want, 1)*last {
					t.Errorf("by %d, last look at %d", got, last)
				}
			default:
				if got != last+c.want {
					t.Errorf("by %d ns after the last look, want %d", got-last, c.want)
				}
			}
		})
	}
}

// A socket that has ended, is held, and waits as a mini-socket: a look meets both.
func TestLooksMeetBothHalves(t *testing.T) {
	s := play(t, Options{}).timersOn()
	k := s.socket(1).to(synSent, established, finWait1, finWait2).mini(events.TWStart).to(closeState)
	s.pass(lateEvidence)
	fd := func() { k.fd(3) }
	mini := func() {
		k.row(s.now, in(model.TimeWait), func(ev *events.Event) {
			ev.SK, ev.From, ev.Extra = k.ev.SK+1<<40, model.TimeWait, miniLife
		})
	}
	there := func() (held, waiting bool) {
		row := s.wantRows(model.TimeWait)[0]
		life, _ := s.table.Socket(&row)
		return life.Held(), life.Mini.Waiting()
	}
	for range 3 {
		s.looks(fd, mini)
		if held, waiting := there(); !held || !waiting {
			t.Fatalf("held %v, waiting %v", held, waiting)
		}
	}
	if st := s.table.Stats(); st.Mended.Total() != 0 {
		t.Errorf("nothing was wrong: %v", &st.Mended)
	}
	for range absences { // its end was lost
		s.looks(fd)
	}
	if held, waiting := s.table.Stats().Held, s.table.Stats().Waiting; held != 1 || waiting != 0 {
		t.Errorf("%d held, %d waiting, want the held alone", held, waiting)
	}
}
