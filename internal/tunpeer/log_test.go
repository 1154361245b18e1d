package tunpeer

import (
	"errors"
	"testing"
)

func TestLogForgets(t *testing.T) {
	l := newLog()
	const extra = 10
	for n := range uint32(maxLog + extra) {
		l.add(Entry{Segment: Segment{Seq: n}})
	}
	entries, stats := l.all()
	if stats.Segments != maxLog+extra || stats.Forgotten != extra || len(entries) != maxLog {
		t.Errorf("%+v and %d entries", stats, len(entries))
	}
	for i, e := range entries {
		if want := uint64(extra + i); e.Number != want || e.Segment.Seq != uint32(want) {
			t.Fatalf("entry %d is %d with segment %d, want %d", i, e.Number, e.Segment.Seq, want)
		}
	}
	any := func(Entry) bool { return true }
	if e, ok, gone, _ := l.after(3, any); !ok || gone != extra-3 || e.Number != extra {
		t.Errorf("after 3: entry %d, %t, %d gone", e.Number, ok, gone)
	}
	if e, ok, gone, _ := l.after(extra+3, any); !ok || gone != 0 || e.Number != extra+3 {
		t.Errorf("after %d: entry %d, %t, %d gone", extra+3, e.Number, ok, gone)
	}
}

func TestLogWakes(t *testing.T) {
	l := newLog()
	_, ok, _, changed := l.after(0, func(Entry) bool { return true })
	if ok {
		t.Fatal("an entry in an empty log")
	}
	go l.add(Entry{})
	<-changed
	if _, ok, _, _ := l.after(0, func(Entry) bool { return true }); !ok {
		t.Error("no entry after the change")
	}
}

func TestLogCountsRefusals(t *testing.T) {
	l := newLog()
	l.refuse(ErrNotTCP)
	l.refuse(errors.New("parse"))
	l.refuse(ErrNotTCP)
	if _, stats := l.all(); stats != (Stats{OtherKinds: 2, Malformed: 1}) {
		t.Errorf("%+v", stats)
	}
}
