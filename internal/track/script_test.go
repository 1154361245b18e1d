package track

import (
	"fmt"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// script plays the kernel: it makes the events of socket lives, applies them
// to a table and keeps what the table says.
type script struct {
	t     *testing.T
	table *Table
	now   uint64
	said  []Observation
}

// play begins a script. The inventory is over unless the script finds more.
func play(t *testing.T, o Options) *script {
	t.Helper()
	s := &script{t: t, now: 1e9}
	s.table = New(o, s)
	return s
}

// Observe implements Sink.
func (s *script) Observe(o *Observation) {
	c := *o
	if o.Socket != nil {
		life := *o.Socket
		c.Socket = &life
	}
	s.said = append(s.said, c)
}

func (s *script) apply(ev events.Event) {
	s.t.Helper()
	s.table.Apply(&ev)
	if err := consistent(s.table); err != nil {
		s.t.Fatalf("after %s %s>%s of %#x: %v", ev.Kind, ev.From, ev.To, ev.SK, err)
	}
}

// pass lets time go by, and tells the table.
func (s *script) pass(ns uint64) {
	s.t.Helper()
	s.now += ns
	s.apply(events.Event{Kind: events.Tick, Time: s.now})
}

func (s *script) lose(n uint64, where events.Where) {
	s.t.Helper()
	s.apply(events.Event{Kind: events.Lost, Time: s.now, Where: where, LostCount: n})
}

func (s *script) found() { s.apply(events.Event{Kind: events.Found, Time: s.now}) }

// of returns what was said of one kind.
func (s *script) of(kind events.Kind) (all []Observation) {
	for _, o := range s.said {
		if o.Event.Kind == kind {
			all = append(all, o)
		}
	}
	return all
}

// closed lets late evidence settle and returns the ends so far.
func (s *script) closed() []Observation {
	s.t.Helper()
	s.pass(lateEvidence)
	return s.of(events.Closed)
}

// wantEnd checks that there was one end, and which.
func (s *script) wantEnd(reason model.CloseReason, by model.Closer, v model.Verdict) *Socket {
	s.t.Helper()
	ends := s.closed()
	if len(ends) != 1 {
		s.t.Fatalf("%d closed reports, want 1", len(ends))
	}
	got := ends[0].Socket.End
	if got.Reason != reason || got.By != by || got.Verdict != v {
		s.t.Errorf("closed %s by %s, %s (%s); want %s by %s, %s",
			got.Reason, got.By, got.Verdict, got.Rule, reason, by, v)
	}
	return ends[0].Socket
}

// wantVerdicts checks the verdicts of all transitions.
func (s *script) wantVerdicts(want ...model.Verdict) {
	s.t.Helper()
	var got []model.Verdict
	for _, o := range s.of(events.Transition) {
		got = append(got, o.Judgement.Verdict)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("verdicts %v, want %v", got, want)
	}
}

// socket is one socket of a script, in the kernel's eyes.
type socket struct {
	s  *script
	ev events.Event // the tuple, the cookie, the owner
	st model.State
}

// change edits an event that a script is about to send.
type change func(*events.Event)

var nginx, curl, ss = name("nginx"), name("curl"), name("ss")

func name(s string) (comm [16]byte) {
	copy(comm[:], s)
	return comm
}

// socket makes a socket at an address, in CLOSE.
func (s *script) socket(sk uint64) *socket {
	ev := events.Event{
		SK: sk, Cookie: 0x1000 + sk, Netns: 4026531840, NetnsCookie: 1, Family: events.IPv4,
		Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{10, 0, 0, 2}, Lport: 40000, Rport: 443,
		PID: 100, Comm: curl, InState: -1,
	}
	return &socket{s, ev, model.Close}
}

// child makes the socket that a listener bears; its first state is entered
// from LISTEN.
func (s *script) child(sk uint64) *socket {
	c := s.socket(sk)
	c.st = model.Listen
	c.ev.Lport, c.ev.Rport = 80, 50000
	return c
}

// to takes the socket through states, a microsecond each.
func (k *socket) to(states ...model.State) *socket {
	k.s.t.Helper()
	for _, to := range states {
		k.step(to)
	}
	return k
}

// step takes the socket to one state, with changes to what the kernel says.
func (k *socket) step(to model.State, changes ...change) *socket {
	k.s.t.Helper()
	k.s.now += 1000
	ev := k.event(events.Transition)
	ev.From, ev.To = k.st, to
	ev.Evidence = usual(k.st, to)
	if k.st == model.Listen && to == model.SynRecv {
		ev.PID, ev.Comm = 80, nginx
	}
	for _, c := range changes {
		c(&ev)
	}
	if !ev.Has(model.Owned) && !ev.Has(model.Inherited) {
		ev.PID, ev.Comm = 0, [16]byte{}
	}
	k.st = to
	k.s.apply(ev)
	return k
}

func (k *socket) event(kind events.Kind) events.Event {
	ev := k.ev
	ev.Kind, ev.Time, ev.To = kind, k.s.now, k.st
	return ev
}

func (k *socket) send(kind events.Kind, changes ...change) *socket {
	k.s.t.Helper()
	k.s.now += 1000
	ev := k.event(kind)
	for _, c := range changes {
		c(&ev)
	}
	k.s.apply(ev)
	return k
}

func (k *socket) destroy() *socket { return k.send(events.Destroy) }

// row reports the socket as an inventory does, as it was at time at.
func (k *socket) row(at uint64, changes ...change) {
	k.s.t.Helper()
	ev := k.event(events.Inventory)
	ev.Time, ev.PID, ev.Comm = at, 0, [16]byte{}
	for _, c := range changes {
		c(&ev)
	}
	k.s.apply(ev)
}

// fd reports an fd that refers to the socket.
func (k *socket) fd(n int, changes ...change) {
	k.s.t.Helper()
	ev := k.event(events.Holder)
	ev.Extra = uint64(n)
	for _, c := range changes {
		c(&ev)
	}
	k.s.apply(ev)
}

func in(s model.State) change        { return func(ev *events.Event) { ev.To = s } }
func errno(n uint16) change          { return func(ev *events.Event) { ev.Err = n } }
func flags(f model.Flags) change     { return func(ev *events.Event) { ev.Flags = f } }
func plus(f model.Flags) change      { return func(ev *events.Event) { ev.Flags |= f } }
func shutdown(n uint8) change        { return func(ev *events.Event) { ev.Shutdown = n } }
func as(p uint32, c [16]byte) change { return func(ev *events.Event) { ev.PID, ev.Comm = p, c } }

// usual is what the kernel says of itself in the ordinary course.
func usual(from, to model.State) (v model.Evidence) {
	v.SndUna, v.SndNxt, v.WriteSeq, v.RcvNxt, v.CopiedSeq = 2000, 2000, 2000, 5000, 5000
	v.Flags = model.HasSocket
	switch to {
	case model.Listen, model.SynSent:
		v.Flags |= model.Owned
	case model.SynRecv:
		if from != model.SynSent {
			v.Flags = model.Inherited
		}
	case model.FinWait1, model.LastAck:
		v.Flags = model.Owned | model.Dead
		v.Shutdown = shutdownBoth
	case model.Close:
		v.Shutdown = shutdownBoth
		switch from {
		case model.Listen:
			v.Flags |= model.Owned
		case model.FinWait2, model.LastAck, model.Closing:
			v.Flags = model.Dead | model.Done
		}
	}
	return v
}
