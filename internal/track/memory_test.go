//go:build !race

// The race detector needs several times the memory, and finds nothing in it.

package track

import (
	"runtime"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// crowd makes the events of a million sockets.
type crowd struct {
	table *Table
	ev    events.Event
	now   uint64
	n     uint64
}

// step applies one transition of a socket, or its end.
func (c *crowd) step(socket uint64, kind events.Kind, from, to model.State, v *model.Evidence) {
	c.ev = events.Event{
		Kind: kind, Time: c.now, SK: 0xffff888000000000 + socket*2304, Cookie: socket + 1, From: from, To: to,
		Netns: 4026531840, Family: events.IPv4, Lport: uint16(socket), Rport: 443, InState: -1,
	}
	if v != nil {
		c.ev.Evidence = *v
	}
	c.table.Apply(&c.ev)
	c.now += 2000
	if c.n++; c.n%1024 == 0 {
		c.ev = events.Event{Kind: events.Tick, Time: c.now}
		c.table.Apply(&c.ev)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A million sockets take at most 1.2 GiB, and stay there however many come and go.
func TestMillionSocketsFit(t *testing.T) {
	const live, deaths = 1_000_000, 3_000_000
	const most, slack = 1200 << 20, 1 << 20
	before := heap()
	sink := &judged{}
	c := &crowd{table: New(Options{MaxSockets: 1 << 20}, sink), now: 1e9}
	c.table.Apply(&events.Event{Kind: events.Found})
	opens, establishes, resets := usual(closeState, synSent), usual(synSent, established), usual(established, closeState)
	birth := func(socket uint64) {
		c.step(socket, events.Transition, closeState, synSent, &opens)
		c.step(socket, events.Transition, synSent, established, &establishes)
	}
	for socket := range uint64(live) {
		birth(socket)
	}
	full := heap() - before
	if full > most {
		t.Errorf("%d sockets take %d MiB, want at most %d", live, full>>20, most>>20)
	}
	t.Logf("%d sockets take %d MiB, %d bytes each", live, full>>20, full/live)
	for socket := range uint64(deaths) { // the oldest dies, at an address that is new to the table
		c.step(socket, events.Transition, established, closeState, &resets)
		c.step(socket, events.Destroy, 0, closeState, nil)
		birth(live + socket)
	}
	if after := heap() - before; after > full+slack {
		t.Errorf("after %d deaths %d MiB are in use, %d before", deaths, after>>20, full>>20)
	}
	st := c.table.Stats()
	if st.Open != live || st.TotalLost() != 0 || sink.verdicts[model.Impossible] != 0 {
		t.Errorf("%d open, %d lost, %d impossible; want %d, 0, 0", st.Open, st.TotalLost(), sink.verdicts[model.Impossible], live)
	}
	runtime.KeepAlive(c)
}
