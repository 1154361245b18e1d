package view

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/ladder"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// stage is a table on which two ends play.
type stage struct {
	table *track.Table
	told  observations
	now   uint64
}

// actor is one end.
type actor struct {
	on    *stage
	ev    events.Event
	state model.State
}

func newStage() *stage {
	s := &stage{now: 10e9}
	s.table = track.New(track.Options{KeepClosed: 10}, &s.told)
	s.table.Apply(&events.Event{Kind: events.TimersOn, Time: s.now})
	return s
}

const (
	clientISN, serverISN = 4294967295, 1000
	clientPort           = 40000
)

func (s *stage) client() *actor {
	a := &actor{on: s, state: model.Close}
	a.ev = events.Event{SK: 1, Cookie: 1, Netns: 4026531840, Family: events.IPv4, Saddr: [16]byte{127, 0, 0, 1}, Daddr: [16]byte{127, 0, 0, 1},
		Lport: clientPort, Rport: 443, PID: 71, Comm: comm("curl"), InState: -1}
	return a
}

func (s *stage) server() *actor {
	a := s.client()
	a.ev.SK, a.ev.Cookie, a.ev.Lport, a.ev.Rport, a.ev.PID, a.ev.Comm, a.state = 2, 2, 443, clientPort, 9, comm("nginx"), model.Listen
	return a
}

// to moves the end to states, of each of which it has the numbers.
func (a *actor) to(states ...model.State) *actor {
	for _, state := range states {
		ev := &a.ev
		switch {
		case a.state == model.SynSent && state == model.Established:
			ev.SndUna, ev.WriteSeq, ev.RcvNxt, ev.BytesAcked = a.iss()+1, a.iss()+1, a.irs()+1, 1
		case state == model.FinWait2, state == model.Close && (a.state == model.LastAck || a.state == model.Closing):
			ev.SndUna++
			ev.BytesAcked++
		case state == model.CloseWait, state == model.Closing:
			a.fin()
		}
		a.send(events.Transition, state)
		switch state {
		case model.SynRecv:
			if a.passive() {
				ev.SndUna, ev.WriteSeq, ev.RcvNxt = a.iss()+1, a.iss()+1, a.irs()+1
			} else {
				ev.RcvNxt = a.irs() + 1
				ev.SndUna, ev.BytesAcked = a.iss()+1, 1
			}
		case model.SynSent:
			ev.SndUna, ev.WriteSeq = a.iss(), a.iss()+1
		case model.FinWait1, model.LastAck:
			ev.WriteSeq++
		}
	}
	return a
}

func (a *actor) passive() bool { return a.ev.SK == 2 && a.ev.Lport == 443 }

func (a *actor) iss() uint32 {
	if a.passive() {
		return serverISN
	}
	return clientISN
}

func (a *actor) irs() uint32 {
	if a.passive() {
		return clientISN
	}
	return serverISN
}

// fin: the peer's FIN came.
func (a *actor) fin() {
	a.ev.RcvNxt++
	a.ev.BytesReceived++
	a.ev.Flags |= model.Done
}

func (a *actor) send(kind events.Kind, to model.State, changes ...func(*events.Event)) *actor {
	a.on.now += 123456
	ev := a.ev
	ev.Kind, ev.Time, ev.From, ev.To = kind, a.on.now, a.state, to
	ev.CopiedSeq = ev.RcvNxt - uint32(ev.BytesReceived) // of which all is its FIN
	for _, change := range changes {
		change(&ev)
	}
	a.on.table.Apply(&ev)
	if kind == events.Transition {
		a.state = to
	}
	return a
}

// mini starts the timer of the mini-socket that follows.
func (a *actor) mini(substate model.State) *actor {
	return a.send(events.TWStart, model.TimeWait, func(ev *events.Event) {
		ev.SK, ev.From, ev.Extra, ev.SndNxt = 100, substate, 60e9, ev.WriteSeq
	})
}

// lives returns how the lives ended, in the order of their ids.
func (s *stage) lives() []*track.Socket {
	s.table.Finish()
	var all []*track.Socket
	for i := range s.told {
		if s.told[i].Event.Kind == events.Closed {
			all = append(all, s.told[i].Socket)
		}
	}
	slices.SortFunc(all, func(a, b *track.Socket) int { return int(a.ID) - int(b.ID) })
	return all
}

const (
	synSent     = model.SynSent
	synRecv     = model.SynRecv
	established = model.Established
	finWait1    = model.FinWait1
	finWait2    = model.FinWait2
	closeWait   = model.CloseWait
	lastAck     = model.LastAck
	closing     = model.Closing
	ended       = model.Close
)

var ladders = []struct {
	name string
	play func(s *stage)
}{
	{"RFC 9293 3.6, figure 12: the client closes first, and both ends are watched", func(s *stage) {
		c, d := s.client().to(synSent), s.server()
		d.to(synRecv)
		c.to(established)
		d.to(established)
		c.to(finWait1)
		d.to(closeWait)
		c.to(finWait2)
		d.to(lastAck)
		c.mini(model.TimeWait).fin()
		c.to(ended)
		d.to(ended)
	}},
	{"the client alone", func(s *stage) {
		c := s.client().to(synSent, established, finWait1, finWait2).mini(model.TimeWait)
		c.fin()
		c.to(ended)
	}},
	{"the server alone", func(s *stage) { s.server().to(synRecv, established, closeWait, lastAck, ended) }},
	{"an orphan, whose mini-socket gets the FIN", func(s *stage) {
		c := s.client().to(synSent, established, finWait1, finWait2).mini(finWait2)
		c.ev.Flags |= model.Dead
		c.to(ended)
		c.fin()
		c.mini(model.TimeWait)
	}},
	{"RFC 9293 3.6, figure 13: simultaneous close", func(s *stage) {
		c, d := s.client().to(synSent), s.server()
		d.to(synRecv)
		c.to(established)
		d.to(established)
		c.to(finWait1)
		d.to(finWait1)
		c.to(closing).mini(model.TimeWait)
		d.to(closing)
		c.to(ended)
		d.to(ended)
	}},
	{"RFC 9293 3.5, figure 7: simultaneous open", func(s *stage) {
		s.client().to(synSent, synRecv, established, closeWait, lastAck, ended)
	}},
	{"refused", func(s *stage) {
		c := s.client().to(synSent)
		c.ev.Err = 111
		c.send(events.ResetReceived, synSent).to(ended)
	}},
	{"the SYN sent again, and nobody answers", func(s *stage) {
		c := s.client().to(synSent)
		for range 3 {
			c.send(events.Retransmit, synSent, func(ev *events.Event) { ev.Extra = 2 << 32 })
		}
		c.ev.Err, c.ev.Retransmits = 110, 3
		c.to(ended)
	}},
	{"reset by the peer, and both ends are watched", func(s *stage) {
		c, d := s.client().to(synSent), s.server()
		d.to(synRecv)
		c.to(established)
		d.to(established)
		d.ev.Flags |= model.Linger0 | model.Owned
		d.ev.Flags |= model.HasSocket
		d.ev.Shutdown = 3
		d.to(ended).send(events.ResetSent, ended, func(ev *events.Event) { ev.Flags |= model.ActiveReset })
		c.ev.Err = 104
		c.send(events.ResetReceived, established).to(ended)
	}},
	{"met mid-life", func(s *stage) {
		c := s.client()
		c.state = closeWait
		c.to(lastAck, ended)
	}},
}

// The textbook's pictures, from what two ends or one of them told: each arrow rests on
// evidence, and says so.
func TestLadders(t *testing.T) {
	var b strings.Builder
	for _, c := range ladders {
		s := newStage()
		c.play(s)
		lives := s.lives()
		if len(lives) == 0 {
			t.Fatalf("%s: no life ended", c.name)
		}
		l := ladder.Of(lives[0])
		if len(lives) > 1 {
			if !ladder.Matches(lives[0], lives[1]) || !ladder.Matches(lives[1], lives[0]) {
				t.Errorf("%s: the ends do not match: %+v and %+v", c.name, lives[0].Machine.Numbers, lives[1].Machine.Numbers)
			}
			l = ladder.Join(lives[1], lives[0])
		}
		for _, relative := range []bool{false, true} {
			b.WriteString("== " + c.name + "\n")
			d := Ladders{History: History{Epoch: 1763460000e9, Location: time.UTC}, Relative: relative, ASCII: relative}
			if err := d.Write(&b, &l); err != nil {
				t.Fatal(err)
			}
		}
	}
	const path = "testdata/ladder.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("the ladders differ from %s:\n%s", path, b.String())
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(line) - 1; n > 80 && !strings.Contains(line, ": ") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// Two lives with each other's addresses are no connection where a SYN's number says
// that they are not; in two network namespaces both must say that they are.
func TestLaddersMatch(t *testing.T) {
	both := func() (a, b track.Socket) {
		s := newStage()
		ladders[0].play(s)
		all := s.lives()
		return *all[0], *all[1]
	}
	for name, c := range map[string]struct {
		change func(a, b *track.Socket)
		want   bool
	}{
		"one connection":        {func(_, _ *track.Socket) {}, true},
		"two namespaces":        {func(a, _ *track.Socket) { a.Netns++ }, true},
		"the number is another": {func(a, _ *track.Socket) { a.Machine.Numbers.IRS++ }, false},
		"numbers not known":     {func(a, b *track.Socket) { a.Machine.Numbers, b.Machine.Numbers = model.Numbers{}, model.Numbers{} }, true},
		"not known, in two namespaces": {func(a, b *track.Socket) {
			a.Machine.Numbers = model.Numbers{}
			b.Netns++
		}, false},
		"another port": {func(a, _ *track.Socket) { a.Lport++ }, false},
		"an IPv6 socket with an address of IPv4": {func(_, b *track.Socket) {
			mapped := [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}
			b.Family, b.Saddr, b.Daddr = events.IPv6, mapped, mapped
		}, true},
	} {
		a, b := both()
		c.change(&a, &b)
		if ladder.Matches(&a, &b) != c.want || ladder.Matches(&b, &a) != c.want {
			t.Errorf("%s: want %v", name, c.want)
		}
	}
}
