package track

import (
	"math/rand/v2"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// silent is a Sink that says nothing.
type silent struct{}

func (silent) Observe(*Observation) {}

// deeds are what the kernel, or the reader of its ring, may say. Between the bytes
// of a fuzz target they come in an order that no kernel keeps: losses, rows that
// overtake events, memory used again, and clocks that differ.
var deeds = []events.Kind{
	events.Transition, events.Transition, events.Transition, events.Transition, events.Destroy, events.Tick, events.Tick,
	events.TWStart, events.TWStart, events.TWCancel, events.TWExpire, events.Inventory, events.Inventory, events.Holder,
	events.Look, events.Walked, events.Found, events.Lost, events.ResetSent, events.ResetReceived, events.Retransmit,
	events.SynAck, events.Read, events.TimersOn,
}

// deed makes an event of four bytes, in a world of a few addresses and tuples.
func deed(b []byte, now uint64) events.Event {
	const states = uint(model.NewSynRecv) + 1
	kind, who, what := uint(b[0]), uint(b[1]), uint(b[2])
	ev := events.Event{
		Kind: deeds[kind%uint(len(deeds))], Time: now, InState: -1, Netns: 1, NetnsCookie: 1, Family: events.IPv4,
		SK: uint64(1 + who%4), Cookie: uint64(who / 4 % 4), Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{10, 0, 0, 2},
		Lport: uint16(1 + who/16%3), Rport: 80, From: model.State(what % states), To: model.State(what / states % states),
		PID: 7, LostCount: 1,
	}
	if who >= 192 {
		ev.Rport = 0
	}
	ev.Flags = model.Flags(what) << 3
	switch ev.Kind {
	case events.TWStart, events.TWCancel, events.TWExpire:
		ev.SK += 16 // of mini-sockets
		ev.From, ev.To, ev.Extra = model.TimeWait, model.TimeWait, uint64(what)<<20
		if ev.Kind == events.TWCancel {
			ev.Count = uint8(what % 8) // its Cause
		}
	case events.Inventory:
		if ev.To == model.TimeWait {
			ev.SK, ev.From = ev.SK+16, model.TimeWait
		}
	case events.Found:
		ev.Err = uint16(what % 2)
	case events.Lost:
		ev.Where = events.Where(what % 2)
	}
	return ev
}

// FuzzTable holds the table to its own bookkeeping, whatever it is told.
func FuzzTable(f *testing.F) {
	f.Add([]byte{14, 0, 0, 0, 0, 4, 30, 1, 11, 4, 60, 2, 16, 0, 0, 1, 5, 0, 0, 9})
	f.Fuzz(tell)
}

// tell tells tables of different bounds a script.
func tell(t *testing.T, script []byte) {
	for _, o := range []Options{{MaxSockets: 6}, {MaxSockets: 64, KeepClosed: 3}} {
		table := New(o, silent{})
		now := uint64(1e9)
		for rest := script; len(rest) >= 4; rest = rest[4:] {
			now += uint64(rest[3]) * uint64(rest[3]) * 1e5 // up to 6.5 s
			ev := deed(rest, now)
			if rest[3]%8 == 7 {
				ev.Time -= min(now, 5e7) // late, or by another clock
			}
			table.Apply(&ev)
			if err := consistent(table); err != nil {
				t.Fatalf("after %s %s>%s of %#x, %x: %v", ev.Kind, ev.From, ev.To, ev.SK, ev.Cookie, err)
			}
		}
		table.Finish()
		if err := consistent(table); err != nil {
			t.Fatalf("at the end: %v", err)
		}
	}
}

// What the fuzzer finds by guided mutation, long random scripts find by length.
func TestTableHoldsTogether(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		script := make([]byte, 4*300)
		for i := range script {
			script[i] = byte(random.Uint32())
			if i%4 == 3 {
				script[i] >>= random.Uint32() % 8
			}
		}
		tell(t, script)
	}
}
