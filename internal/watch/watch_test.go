package watch

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type nowhere struct{}

func (nowhere) Observe(*track.Observation) {}

// quiet is a Source on which nothing happens but a Tick for each Wake.
type quiet struct {
	woken chan struct{}
	end   chan struct{}
	err   error
}

func newQuiet() *quiet {
	return &quiet{woken: make(chan struct{}, 1), end: make(chan struct{}), err: io.EOF}
}

func (q *quiet) Next(ev *events.Event) error {
	select {
	case <-q.woken:
		*ev = events.Event{Kind: events.Tick, Time: 1}
		return nil
	case <-q.end:
		return q.err
	}
}

func (q *quiet) Wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

func (q *quiet) Close() error { return nil }

// busy is a Source that never stops.
type busy struct {
	n   uint64
	end chan struct{}
}

func (b *busy) Next(ev *events.Event) error {
	select {
	case <-b.end:
		return io.EOF
	default:
	}
	b.n++
	*ev = events.Event{Kind: events.Transition, Time: b.n, SK: b.n%100 + 1, From: model.Close, To: model.SynSent, InState: -1}
	if b.n%64 == 0 {
		*ev = events.Event{Kind: events.Tick, Time: b.n}
	}
	return nil
}

func (b *busy) Close() error { return nil }

func run(t *testing.T, s events.Source) *Watch {
	t.Helper()
	w := New(s, track.New(track.Options{}, nowhere{}), nil)
	go func() { _ = w.Run() }()
	return w
}

// A question is answered on a quiet host, by the one Tick that its Wake brings;
// and again and again.
func TestAskWhileQuiet(t *testing.T) {
	q := newQuiet()
	w := run(t, q)
	for range 2000 {
		asked := false
		if err := w.Ask(context.Background(), func(*track.Table) { asked = true }); err != nil || !asked {
			t.Fatalf("asked %v, %v", asked, err)
		}
	}
	close(q.end)
	w.Wait()
}

func TestAskWhileBusy(t *testing.T) {
	b := &busy{end: make(chan struct{})}
	w := run(t, b)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				var rows []track.Row
				if err := w.Ask(context.Background(), func(table *track.Table) { rows = table.Rows(rows[:0]) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	close(b.end)
	w.Wait()
}

// The end of the stream leaves nobody waiting.
func TestAskAtTheEnd(t *testing.T) {
	for range 200 {
		q := newQuiet()
		w := run(t, q)
		go close(q.end)
		asked := false
		if err := w.Ask(context.Background(), func(*track.Table) { asked = true }); err != nil || !asked {
			t.Fatalf("asked %v, %v", asked, err)
		}
		w.Wait()
		if err := w.Ask(context.Background(), func(*track.Table) {}); err != nil {
			t.Fatal(err)
		}
	}
}

// deaf is a Source that no Wake reaches.
type deaf struct{ end chan struct{} }

func (d *deaf) Next(*events.Event) error { <-d.end; return io.EOF }
func (d *deaf) Close() error             { return nil }

// Where the asker gives up, the question is never put: what it refers to may
// be gone.
func TestAskGivesUp(t *testing.T) {
	d := &deaf{make(chan struct{})}
	w := run(t, d)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 2 * maxQuestions {
		if err := w.Ask(ctx, func(*track.Table) { t.Error("asked all the same") }); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want canceled", err)
		}
	}
	close(d.end)
	w.Wait()
}

func TestRunReturnsTheSourcesError(t *testing.T) {
	q := newQuiet()
	q.err = errors.New("the ring is gone")
	close(q.end)
	ticks := 0
	w := New(q, track.New(track.Options{}, nowhere{}), func() { ticks++ })
	err := w.Run()
	if err == nil || !strings.Contains(err.Error(), "read events: the ring is gone") || w.Err() != err {
		t.Errorf("%v, and %v", err, w.Err())
	}
	if ticks != 1 {
		t.Errorf("%d flushes, want one: what was seen must not be lost", ticks)
	}
}

// Everything up to the end is applied, and what waited is reported.
func TestRunFinishes(t *testing.T) {
	ev := events.Event{Kind: events.Transition, SK: 1, InState: -1}
	one, two := ev, ev
	one.Time, one.From, one.To = 1, model.Close, model.SynSent
	two.Time, two.From, two.To = 2, model.SynSent, model.Close
	table := track.New(track.Options{KeepClosed: 1}, nowhere{})
	if err := New(&events.Slice{one, two}, table, nil).Run(); err != nil {
		t.Fatal(err)
	}
	st := table.Stats()
	if n := st.Ends[model.Unjudged] + st.Ends[model.Normal] + st.Ends[model.Notable] + st.Ends[model.Abnormal]; n != 1 {
		t.Errorf("%d ends, want 1", n)
	}
}
