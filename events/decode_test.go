package events

import (
	"testing"
)

// record is a kernel record in which every byte is known.
func record() []byte {
	b := make([]byte, Size)
	for i := range b {
		b[i] = byte(i + 1)
	}
	b[144] = byte(Transition)
	return b
}

func TestDecodeShort(t *testing.T) {
	var ev Event
	for n := range Size {
		if err := Decode(record()[:n], &ev); err == nil {
			t.Fatalf("%d bytes were decoded, want an error", n)
		}
	}
}

func TestDecodeUnknownKind(t *testing.T) {
	for _, kind := range []byte{0, byte(Lost), byte(Tick), 255} {
		b := record()
		b[144] = kind
		if err := Decode(b, new(Event)); err == nil {
			t.Errorf("kind %d was decoded, want an error", kind)
		}
	}
}

// Decode overwrites everything, so that a reused Event carries nothing over.
func TestDecodeOverwrites(t *testing.T) {
	fresh := Event{}
	reused := Event{Where: WhereQueue, LostCount: 7, Socket: 9, Step: 3, InState: 5, Recorded: new(Recorded)}
	if err := Decode(record(), &fresh); err != nil {
		t.Fatal(err)
	}
	if err := Decode(append(record(), 1, 2, 3), &reused); err != nil {
		t.Fatal(err)
	}
	if fresh != reused {
		t.Errorf("reused event differs:\n%+v\n%+v", fresh, reused)
	}
}

func TestDecodeAllocs(t *testing.T) {
	b, ev := record(), new(Event)
	if n := testing.AllocsPerRun(100, func() { _ = Decode(b, ev) }); n != 0 {
		t.Errorf("%v allocations per record, want 0", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(record())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var ev Event
		err := Decode(b, &ev)
		if (err == nil) == (ev == Event{}) {
			t.Errorf("error %v and event %+v: want one or the other", err, ev)
		}
		// What a sink prints of it must not panic.
		_ = ev.Local().String() + ev.Remote().String() + ev.From.String() + ev.To.String() + ev.Kind.String() + ev.Family.String()
	})
}

func BenchmarkDecode(b *testing.B) {
	rec, ev := record(), new(Event)
	b.ReportAllocs()
	for b.Loop() {
		_ = Decode(rec, ev)
	}
}
