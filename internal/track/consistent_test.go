package track

import (
	"fmt"

	"github.com/tcpwatch/tcpwatch/model"
)

// consistent checks what must hold of a table between any two events: every
// slot handed out is free, or closed, or the life of exactly one address; the
// lists are linked both ways and agree with the facts; the counts are right.
func consistent(t *Table) error {
	where := map[int32]string{}
	for _, l := range []struct {
		name string
		list *list
	}{{"free", &t.arena.free}, {"closed", &t.closed}, {"ending", &t.ending}, {"waiting", &t.waiting}, {"untold", &t.untold}, {"presumed", &t.presumed}, {"leaving", &t.leaving}, {"reused", &t.reused}} {
		if err := linked(&t.arena, l.list, l.name, where); err != nil {
			return err
		}
	}
	var open, held int
	for _, e := range t.bySK.entries {
		sk, slot := e.sk, e.slot-1
		if slot < 0 {
			continue
		}
		s := t.arena.at(slot)
		if s.SK != sk {
			return fmt.Errorf("address %#x leads to the life of %#x", sk, s.SK)
		}
		if got, want := where[slot], listOf(s); got != want {
			return fmt.Errorf("life %d with facts %b is in list %q, want %q", s.ID, s.Facts, got, want)
		}
		if s.Is(Retired) {
			return fmt.Errorf("life %d is retired and has an address", s.ID)
		}
		if s.Open() {
			open++
		} else {
			held++
		}
		where[slot] = "table"
	}
	retired, waiting := 0, 0
	for _, e := range t.byTuple.entries {
		if e.slot == 0 {
			continue
		}
		s := t.arena.at(e.slot - 1)
		if !s.Mini.indexed() || s.Mini.key != e.sk {
			return fmt.Errorf("life %d has a tuple and no mini-socket: stage %d", s.ID, s.Mini.stage)
		}
		if s.Mini.Waiting() {
			waiting++
		}
		if !s.Is(Retired) {
			continue
		}
		retired++
		if got, want := where[s.slot], listOf(s); got != want {
			return fmt.Errorf("waiting life %d with facts %b is in list %q, want %q", s.ID, s.Facts, got, want)
		}
		where[s.slot] = "waiting by tuple"
	}
	if retired != t.retiredWaiting || waiting != t.stats.Waiting {
		return fmt.Errorf("%d retired lives and %d mini-sockets wait, counted are %d and %d", retired, waiting, t.retiredWaiting, t.stats.Waiting)
	}
	if len(where) != int(t.arena.used) {
		return fmt.Errorf("%d slots are accounted for, %d handed out", len(where), t.arena.used)
	}
	got := [...]int{t.stats.Open, t.stats.Held, t.stats.Closed}
	if want := [...]int{open, held, int(t.closed.n)}; got != want {
		return fmt.Errorf("open, held, closed are counted %v, and are %v", got, want)
	}
	if n := t.bySK.n + t.retiredWaiting + int(t.closed.n); n > t.options.MaxSockets {
		return fmt.Errorf("%d sockets, want at most %d", n, t.options.MaxSockets)
	}
	return nil
}

func listOf(s *Socket) string {
	switch {
	case s.Is(Waiting):
		return "waiting"
	case s.Is(Untold):
		return "untold"
	case s.Is(Ended) && !s.Is(Reported):
		return "ending"
	case s.Mini.stage == miniPresumed:
		return "presumed"
	case s.Mini.stage == miniLeaving:
		return "leaving"
	case s.Mini.stage == miniReused:
		return "reused"
	}
	return ""
}

func linked(a *arena, l *list, name string, where map[int32]string) error {
	before := int32(-1)
	slot := l.head
	for n := range l.n {
		s := a.at(slot)
		if s.slot != slot {
			return fmt.Errorf("%s: slot %d thinks it is slot %d", name, slot, s.slot)
		}
		if s.prev != before {
			return fmt.Errorf("%s: slot %d links back to %d, want %d", name, slot, s.prev, before)
		}
		if other := where[slot]; other != "" {
			return fmt.Errorf("slot %d is in %s and in %s", slot, other, name)
		}
		if name == "closed" && (!s.Is(Ended|Reported|Retired) || s.State != model.Close && !s.Is(Incomplete|Ended)) {
			return fmt.Errorf("closed: life %d has facts %b", s.ID, s.Facts)
		}
		if name == "ending" && before >= 0 && s.EndTime < a.at(before).EndTime {
			return fmt.Errorf("ending: life %d ended before the one ahead of it", s.ID)
		}
		where[slot] = name
		before = slot
		if n == l.n-1 && (slot != l.tail || s.next != -1) {
			return fmt.Errorf("%s: ends at %d with next %d, tail is %d", name, slot, s.next, l.tail)
		}
		slot = s.next
	}
	return nil
}
