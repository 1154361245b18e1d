package track

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// The time at which the pid was the owner's is that of what showed it; of an
// inherited one, that of its listener's.
func TestOwnerSeen(t *testing.T) {
	var s Socket
	s.own(&events.Event{Time: 9, Extra: 3, PID: 80, Evidence: model.Evidence{Flags: model.Inherited}})
	if s.Owner.Seen != 3 {
		t.Errorf("inherited: seen at %d, want 3", s.Owner.Seen)
	}
	s.hold(holderOf(&events.Event{Time: 20, PID: 81, Extra: 5}))
	if s.Owner.Seen != 20 {
		t.Errorf("held: seen at %d, want 20", s.Owner.Seen)
	}
	s.own(&events.Event{Time: 30, Extra: 3, PID: 81, To: model.FinWait1, Evidence: model.Evidence{Flags: model.Owned}})
	if s.Owner.Seen != 30 {
		t.Errorf("acting: seen at %d, want 30", s.Owner.Seen)
	}
}

// A subflow of MPTCP belongs to whoever holds the socket above it; what a
// transition shows of it stays.
func TestSubflowsBelongToTheSocketAbove(t *testing.T) {
	var all []Observation
	table := New(Options{}, sinkFunc(func(o *Observation) { all = append(all, *o) }))
	apply := func(ev events.Event) {
		ev.Family, ev.Netns = events.IPv4, 1
		table.Apply(&ev)
	}
	const above = 0x70
	apply(events.Event{Kind: events.Holder, Time: 1, SK: above, Extra: 5, PID: 80, Comm: nginx, To: model.Established, Evidence: model.Evidence{Flags: model.MPTCP}})
	apply(events.Event{Kind: events.Holder, Time: 1, SK: above, Extra: 6, PID: 81, Comm: nginx, To: model.Established, Evidence: model.Evidence{Flags: model.MPTCP}})
	row := func(sk, extra uint64, flags model.Flags) {
		apply(events.Event{Kind: events.Inventory, Time: 2, SK: sk, Cookie: sk, Extra: extra, Lport: 80, Rport: 9, To: model.Established, Evidence: model.Evidence{Flags: flags}})
	}
	row(1, above, model.MPTCP)
	row(2, 0x71, model.MPTCP) // nobody holds that one
	row(3, above, 0)          // extra is no address without the flag
	apply(events.Event{Kind: events.Found, Time: 3})
	apply(events.Event{Kind: events.Tick, Time: 3})
	want := map[uint64]uint32{1: 80, 2: 0, 3: 0}
	if len(all) != len(want) {
		t.Fatalf("%d rows, want %d: the socket above is none", len(all), len(want))
	}
	for _, o := range all {
		if o.Owner.PID != want[o.Event.SK] {
			t.Errorf("owner of %d is %+v, want pid %d", o.Event.SK, o.Owner, want[o.Event.SK])
		}
	}
	if len(table.above) != 0 {
		t.Error("holders are remembered when the inventory is over")
	}
}

type sinkFunc func(*Observation)

func (f sinkFunc) Observe(o *Observation) { f(o) }

// What a found socket shows of itself, why no process has it.
func TestNoteOf(t *testing.T) {
	const socket, dead = model.HasSocket, model.Dead
	cases := []struct {
		state model.State
		flags model.Flags
		want  events.Note
	}{
		{model.Established, socket, events.NoteNone},
		{model.Established, 0, events.NoteNotAccepted},
		{model.CloseWait, 0, events.NoteNotAccepted},
		{model.SynRecv, 0, events.NoteNotAccepted}, // TCP Fast Open
		{model.FinWait1, dead, events.NoteOrphan},
		{model.LastAck, dead | socket, events.NoteOrphan},
		{model.Established, model.MPTCP, events.NoteNone},
		{model.Established, model.Kernel, events.NoteNone},
		{model.Listen, 0, events.NoteNone},
		{model.TimeWait, 0, events.NoteNone},
		{model.NewSynRecv, 0, events.NoteNone},
		{model.Close, 0, events.NoteNone},
	}
	for _, c := range cases {
		ev := events.Event{To: c.state, Evidence: model.Evidence{Flags: c.flags}}
		if got := NoteOf(&ev); got != c.want {
			t.Errorf("%s with %#x: %q, want %q", c.state, c.flags, got, c.want)
		}
	}
}
