package track

import (
	"cmp"
	"slices"
	"testing"
	"unsafe"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// A live socket takes at most 1 KiB, history and all: its own memory, and its part
// of an index that has just doubled and is a quarter full.
func TestSocketSize(t *testing.T) {
	socket, entries := unsafe.Sizeof(Socket{}), 4*unsafe.Sizeof(entry{})
	if size := socket + entries; size > 1024 {
		t.Errorf("a socket takes %d bytes, want at most 1024", size)
	}
	t.Logf("a socket takes %d bytes, and up to %d of the index", socket, entries)
}

func (s *script) whole(sk uint64) {
	s.socket(sk).to(synSent, established, closeWait, lastAck, closeState).destroy()
	s.pass(lateEvidence)
}

func TestKeepClosed(t *testing.T) {
	for _, keep := range []int{0, 1, 3, 100} {
		s := play(t, Options{KeepClosed: keep})
		for sk := range uint64(10) {
			s.whole(sk + 1)
		}
		want := min(keep, 10)
		rows := s.table.Rows(nil)
		slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
		if len(rows) != want {
			t.Errorf("keep %d: %d rows, want %d", keep, len(rows), want)
		}
		for i, r := range rows {
			if r.ID != uint64(10-want+i+1) {
				t.Errorf("keep %d: row %d has id %d: the oldest go first", keep, i, r.ID)
			}
		}
	}
}

func TestFullTableEvictsTheOldestClosed(t *testing.T) {
	s := play(t, Options{MaxSockets: 4, KeepClosed: 4})
	for sk := range uint64(4) {
		s.whole(sk + 1)
	}
	for sk := range uint64(3) {
		s.socket(100+sk).to(synSent, established)
	}
	if st := s.table.Stats(); st.Open != 3 || st.Closed != 1 || st.Evicted != 3 {
		t.Errorf("stats %+v, want 3 open, 1 closed, 3 evicted", st)
	}
	if rows := s.table.Rows(nil); rows[len(rows)-1].ID != 4 {
		t.Errorf("the closed life left has id %d, want the newest", rows[len(rows)-1].ID)
	}
	if lost := s.of(events.Lost); len(lost) != 0 {
		t.Errorf("%d losses, want none: there was room", len(lost))
	}
}

// Sockets for which there is no room are counted, and their events come out
// all the same, judged as far as one edge goes.
func TestFullTable(t *testing.T) {
	s := play(t, Options{MaxSockets: 2})
	for sk := range uint64(5) {
		s.socket(sk+1).to(synSent, established)
	}
	if n := len(s.of(events.Transition)); n != 10 {
		t.Errorf("%d transitions, want all 10", n)
	}
	for _, o := range s.of(events.Transition)[4:] {
		if o.ID != 0 || o.InState != -1 || o.Judgement.Verdict != model.Normal || o.Event.Lport == 0 {
			t.Errorf("untracked %s>%s: id %d, %s, in state %d", o.Event.From, o.Event.To, o.ID, o.Judgement.Verdict, o.InState)
		}
	}
	s.pass(1)
	lost := s.of(events.Lost)
	if len(lost) != 1 || lost[0].Event.Where != events.WhereTable || lost[0].Event.LostCount != 6 {
		t.Fatalf("losses %+v, want 6 in the table", lost)
	}
	if st := s.table.Stats(); st.Lost[events.WhereTable] != 6 || st.Open != 2 {
		t.Errorf("stats %+v", st)
	}
	s.pass(1)
	if n := len(s.of(events.Lost)); n != 1 {
		t.Errorf("%d losses told, want 1", n)
	}
	// An impossible edge is impossible with no past at all.
	k := s.socket(99)
	k.st = closeWait
	k.to(established)
	if o := s.said[len(s.said)-1]; o.Judgement.Verdict != model.Impossible {
		t.Errorf("CLOSE_WAIT>ESTABLISHED of an untracked socket is %s", o.Judgement.Verdict)
	}
}

// A full table loses sockets, not the stream: others stay judged.
func TestFullTableIsNoHoleInTheStream(t *testing.T) {
	s := play(t, Options{MaxSockets: 1})
	k := s.socket(1).to(synSent)
	s.socket(2).to(synSent)
	s.pass(1)
	k.to(established, closeWait, lastAck, closeState)
	if life := s.wantEnd(model.ReasonFin, model.ClosedByPeer, model.Normal); !life.Complete() {
		t.Error("not complete")
	}
}

// The addresses given up during the inventory are bounded too.
func TestGraveyardIsBounded(t *testing.T) {
	s := play(t, Options{MaxSockets: 8})
	at := s.now
	for sk := range uint64(100) {
		s.socket(sk).destroy()
	}
	if n := len(s.table.gone); n > 8 {
		t.Errorf("%d addresses remembered, want at most 8", n)
	}
	s.socket(1).row(at, in(established))
	s.wantRows()
	s.socket(1).row(s.now+1, in(established))
	s.wantRows(established)
	s.found()
	s.socket(2).destroy()
	if n := len(s.table.gone); n != 0 {
		t.Errorf("%d addresses remembered after the inventory, want none", n)
	}
}

// A row leads to its life for as long as that is kept, and to no other.
func TestRowOfAnEvictedLife(t *testing.T) {
	s := play(t, Options{KeepClosed: 1})
	s.whole(1)
	row := s.table.Rows(nil)[0]
	if life, ok := s.table.Socket(&row); !ok || life.ID != 1 {
		t.Fatalf("life %d, %v", life.ID, ok)
	}
	s.whole(2)
	s.socket(3).to(synSent)
	if life, ok := s.table.Socket(&row); ok {
		t.Errorf("the row of an evicted life leads to life %d", life.ID)
	}
}

func TestCompleteness(t *testing.T) {
	s := play(t, Options{MaxSockets: 1})
	st := s.table.Stats()
	if got := st.Completeness(); got != "complete" {
		t.Errorf("%q, want complete", got)
	}
	k := s.socket(1).to(synSent, established)
	s.lose(3, events.WhereRing)
	k.st = closeWait
	k.to(lastAck)
	s.socket(2).to(synSent)
	s.pass(1)
	st = s.table.Stats()
	if got, want := st.Completeness(), "4 events lost (ring 3, table 1), 1 socket unjudged"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
