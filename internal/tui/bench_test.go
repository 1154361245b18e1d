package tui

import (
	"fmt"
	"io"
	"testing"
	"time"
)

const many = 60_000

// crowded returns a program that shows n sockets.
func crowded(tb testing.TB, n, width, height int) *ui {
	tb.Helper()
	m, err := newUI(tb.Context(), Options{Feed: newFeed(10), Color: true, Environ: []string{"LANG=C.UTF-8"}})
	if err != nil {
		tb.Fatal(err)
	}
	m.resize(width, height)
	m.view.rows, m.view.now = crowd(n), start+60*second
	m.counts.capacity, m.counts.tally = 262144, tallyOf(m.view.rows)
	m.counts.stats.Open = n
	m.view.arrange(&m.asked)
	m.follow()
	return m
}

func BenchmarkView(b *testing.B) {
	for _, n := range []int{60, many} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			m := crowded(b, n, 140, 52)
			b.ReportAllocs()
			for b.Loop() {
				sink = m.View().Content
			}
		})
	}
}

// BenchmarkKey is a key and the frame after it.
func BenchmarkKey(b *testing.B) {
	m := crowded(b, many, 140, 52)
	b.ReportAllocs()
	for b.Loop() {
		m.press(keyOf("down"))
		sink = m.View().Content
	}
}

func BenchmarkSort(b *testing.B) {
	m := crowded(b, many, 140, 52)
	for i := range columns {
		b.Run(columns[i].long, func(b *testing.B) {
			m.asked.sort = i
			b.ReportAllocs()
			for b.Loop() {
				m.view.arrange(&m.asked)
			}
		})
	}
}

// BenchmarkFilterKey is a character of a filter and the frame after it.
func BenchmarkFilterKey(b *testing.B) {
	m := crowded(b, many, 140, 52)
	m.press(keyOf("/"))
	b.ReportAllocs()
	for b.Loop() {
		m.press(keyOf("9"))
		sink = m.View().Content
		m.press(keyOf("backspace"))
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(2*b.N), "ms/key")
}

// BenchmarkSnapshot is all that happens beside the event loop for a refresh.
func BenchmarkSnapshot(b *testing.B) {
	f := newFeed(4 * many)
	for i := range many {
		f.apply(life(uint64(i+1), fmt.Sprintf("10.0.0.5:%d", 1+i), "10.0.0.9:443", uint32(i), "nginx").connect(uint64(i)).events)
	}
	f.tick(start + 60*second)
	r := &reader{ctx: b.Context(), options: Options{Feed: f}}
	q := question{into: &view{}}
	b.ReportAllocs()
	for b.Loop() {
		if a := r.ask(q).(*answer); len(a.into.order) != many {
			b.Fatal(len(a.into.order))
		}
	}
}

var sink string // keeps the compiler from dropping what is measured

// TestFrameDoesNotDependOnTheNumberOfSockets compares allocations, which are
// exact, and then times, which are not.
func TestFrameDoesNotDependOnTheNumberOfSockets(t *testing.T) {
	few, lots := crowded(t, 60, 140, 52), crowded(t, many, 140, 52)
	draw := func(m *ui) float64 {
		return testing.AllocsPerRun(20, func() { _, _ = io.WriteString(io.Discard, frame(m)) })
	}
	if a, b := draw(few), draw(lots); b > a*1.2 {
		t.Errorf("%v allocations for 60 sockets, %v for %d", a, b, many)
	}
	best := func(m *ui) time.Duration {
		least := time.Hour
		for range 30 {
			began := time.Now()
			sink = frame(m)
			least = min(least, time.Since(began))
		}
		return least
	}
	if a, b := best(few), best(lots); b > 5*a {
		t.Errorf("a frame takes %v for 60 sockets, %v for %d", a, b, many)
	}
}

func TestMovingDoesNotSort(t *testing.T) {
	m := crowded(t, many, 140, 52)
	order := &m.view.order[0]
	m.view.rows[m.view.order[9]].Verdict = 4 // it would come first
	for _, key := range []string{"down", "pgdown", "end", "up", "home", "enter", "down", "enter"} {
		m.press(keyOf(key))
		if m.view.order[0] != *order || m.view.at(9).Verdict != 4 {
			t.Fatalf("%s sorts", key)
		}
	}
}

func TestSnapshotsReuseTheirBuffers(t *testing.T) {
	v := &view{rows: crowd(1000), now: start + 60*second}
	q := &query{filter: &filter{words: [][]byte{[]byte("nginx")}}}
	v.arrange(q)
	if n := testing.AllocsPerRun(10, func() { v.arrange(q) }); n > 1 {
		t.Errorf("%v allocations to arrange 1000 rows again", n)
	}
}
