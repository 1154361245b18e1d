package tui

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

type ignored struct{}

func (ignored) Observe(*track.Observation) {}

// A snapshot of a table that has not changed is the one before, and is not sorted
// again once nothing recent is left in it; any event makes a new one.
func TestViewOfTheSameTable(t *testing.T) {
	table := track.New(track.Options{KeepClosed: 10}, ignored{})
	now := uint64(1e9)
	open := func(sk uint64) {
		now += 1e6
		table.Apply(&events.Event{Kind: events.Transition, Time: now, SK: sk, Cookie: sk, Netns: 1, Family: events.IPv4, From: model.Close, To: model.SynSent})
	}
	open(1)
	open(2)
	v, q := &view{}, &query{}
	// look reports whether the rows were sorted again.
	look := func() bool {
		v.take(table, now)
		for position := range v.order {
			v.order[position] = 0 // to be seen if it stays
		}
		v.arrange(q)
		if got, want := v.count(), tallyOf(v.rows); got != want {
			t.Errorf("counted %v, want %v", got, want)
		}
		return len(v.order) < 2 || v.order[0] != v.order[1]
	}
	if !look() || len(v.order) != 2 {
		t.Fatalf("order %v of %d rows", v.order, len(v.rows))
	}
	if !look() {
		t.Error("soon after a change: not sorted again")
	}
	now += 2 * recent
	look()
	if look() {
		t.Error("the rows of an unchanged table were sorted again")
	}
	for _, c := range []struct {
		name   string
		change func()
	}{
		{"another order", func() { q.reverse = true }},
		{"a filter", func() { q.filter = &filter{words: [][]byte{[]byte("syn")}} }},
		{"a filter, which may ask for the time", func() {}},
		{"an event", func() { q.filter = nil; open(3) }},
		{"an end", func() {
			table.Apply(&events.Event{Kind: events.Transition, Time: now, SK: 3, Cookie: 3, Netns: 1, Family: events.IPv4, From: model.SynSent, To: model.Close})
		}},
		{"a tick that reports it", func() { table.Apply(&events.Event{Kind: events.Tick, Time: now}) }},
	} {
		c.change()
		now += 2 * recent
		if !look() {
			t.Errorf("%s: not sorted again", c.name)
		}
	}
	now += 2 * recent
	look()
	if look() || len(v.rows) != 3 {
		t.Errorf("%d rows, sorted again and again", len(v.rows))
	}
}
