// Package watch runs a Source into a table, and lets others look at the table
// between events without ever making the reader wait for them.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// Watch is one run of a Source into a table.
type Watch struct {
	source events.Source
	table  *track.Table
	asked  chan *question
	done   chan struct{}
	onTick func()
	err    error
}

// question is answered by whoever takes it first: the reader, or, once there is
// nobody to answer, the one who asked.
type question struct {
	ask      func(*track.Table)
	taken    atomic.Bool
	answered chan struct{}
}

// maxQuestions is how many may lie on the table; who has one more waits.
const maxQuestions = 16

// New prepares a run. onTick, which may be nil, is called whenever everything
// up to some moment has been delivered: the time to flush what is buffered.
func New(source events.Source, table *track.Table, onTick func()) *Watch {
	if onTick == nil {
		onTick = func() {}
	}
	return &Watch{source: source, table: table, asked: make(chan *question, maxQuestions), done: make(chan struct{}), onTick: onTick}
}

// Run applies the stream to its end. Call it once, in the goroutine that owns
// the table.
func (w *Watch) Run() error {
	defer close(w.done)
	w.err = w.run()
	return w.err
}

func (w *Watch) run() error {
	var ev events.Event
	looker, looks := w.source.(looker)
	for {
		err := w.source.Next(&ev)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			w.table.Finish()
			w.onTick()
			return fmt.Errorf("read events: %w", err)
		}
		tick := ev.Kind == events.Tick
		w.table.Apply(&ev)
		if tick {
			w.onTick()
			w.answer()
			if looks {
				looker.LookBy(w.table.LookBy())
			}
		}
	}
	w.table.Finish()
	w.onTick()
	return nil
}

// Wait returns when Run has.
func (w *Watch) Wait() { <-w.done }

// Err returns what Run returned, after Wait.
func (w *Watch) Err() error { return w.err }

// answer answers those who have asked by now.
func (w *Watch) answer() {
	for {
		select {
		case q := <-w.asked:
			if q.taken.CompareAndSwap(false, true) {
				q.ask(w.table)
				close(q.answered)
			}
		default:
			return
		}
	}
}

// waker is a Source that can be woken from a quiet stretch.
type waker interface{ Wake() }

// looker is a Source that makes inventories when asked to: by when, in ns since
// boot, 0 for never.
type looker interface{ LookBy(time uint64) }

// Ask calls ask with the table between two events, and returns when it is
// done. While it runs the stream waits in the kernel's ring: copy, do not
// compute. After the stream has ended the table stands still and is asked at
// once; only one goroutine may ask then. Where ctx ends first, ask is not
// called.
func (w *Watch) Ask(ctx context.Context, ask func(*track.Table)) error {
	q := &question{ask: ask, answered: make(chan struct{})}
	select {
	case <-w.done:
		ask(w.table)
		return nil
	default:
	}
	select {
	case w.asked <- q:
	case <-w.done:
		ask(w.table)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	// The question lies there before the reader is woken: the Tick that comes of
	// it may be the only one for hours.
	if s, ok := w.source.(waker); ok {
		s.Wake()
	}
	select {
	case <-q.answered:
		return nil
	case <-w.done:
		if q.taken.CompareAndSwap(false, true) {
			ask(w.table)
			return nil
		}
	case <-ctx.Done():
		if q.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
	}
	<-q.answered
	return nil
}
