package notify

import (
	"context"
	"sync"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Bounds of a Queue.
const (
	defaultBatch    = 64
	maxKnown        = 4096 // alerts remembered, to tell what was told already
	defaultCapacity = 1024
	defaultTimeout  = 10 * time.Second
)

// Options of a Queue. The zero value has the defaults.
type Options struct {
	Capacity int           // alerts that may wait
	Batch    int           // alerts in one Send, at most
	Timeout  time.Duration // of one attempt
	Attempts int           // until an alert counts as failed
	Resend   time.Duration // how often to tell again of what still fires, 0 for never
	// Random returns numbers in [0, 1) that spread the attempts of many hosts; nil
	// is math/rand.
	Random func() float64
	// Failed, which may be nil, is told each error, from the goroutine that sends.
	Failed func(name string, err error)
}

// Counts say what became of the alerts: once nothing waits, Sent and Failed are all
// that were taken. One that is told again is counted again.
type Counts struct {
	Sent       uint64
	Failed     uint64 // given up after all attempts
	Dropped    uint64 // no room
	Duplicates uint64 // told already, or about to be
	Retries    uint64 // attempts beyond the first
}

// Queue tells a Sink of alerts, from a goroutine of its own. Notify never blocks.
type Queue struct {
	sink   Sink
	o      Options
	cancel context.CancelFunc
	ctx    context.Context // of the attempts
	wake   chan struct{}
	ending chan struct{}
	done   chan struct{}

	mu     sync.Mutex // guards the rest
	wait   []alert.Alert
	known  map[uint64]*told // by fingerprint
	counts Counts
	closed bool
}

// told is what a Queue was last asked to tell of one alert.
type told struct {
	alert alert.Alert
	sent  time.Time // zero until it was
}

// NewQueue starts the goroutine that sends. Close ends it.
func NewQueue(s Sink, o Options) *Queue {
	o.setDefaults()
	q := &Queue{
		sink: s, o: o,
		wake: make(chan struct{}, 1), ending: make(chan struct{}), done: make(chan struct{}),
		known: map[uint64]*told{},
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	go q.run()
	return q
}

// Name is the sink's.
func (q *Queue) Name() string { return q.sink.Name() }

// Counts returns what became of the alerts so far.
func (q *Queue) Counts() Counts {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.counts
}

// Notify takes alerts to tell. Of one that was told in the same status it only
// keeps what is new: that goes out when the alert is told again.
func (q *Queue) Notify(alerts []alert.Alert) {
	q.mu.Lock()
	for i := range alerts {
		q.take(&alerts[i])
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) take(a *alert.Alert) {
	if q.closed {
		q.counts.Dropped++
		return
	}
	id := a.Fingerprint()
	if k := q.known[id]; k != nil && k.alert.Status == a.Status {
		k.alert = *a
		q.counts.Duplicates++
		return
	}
	if len(q.wait) >= q.o.Capacity {
		q.counts.Dropped++ // and not known: the next time it is told, there may be room
		return
	}
	q.remember(id, a)
	q.wait = append(q.wait, *a)
}

// remember notes what is about to be told. Alerts that are over make room; where all
// still fire, this one is told without being known: perhaps twice, never not at all.
func (q *Queue) remember(id uint64, a *alert.Alert) {
	if q.known[id] == nil && len(q.known) >= maxKnown {
		for other, k := range q.known {
			if k.alert.Status == alert.Resolved {
				delete(q.known, other)
			}
		}
		if len(q.known) >= maxKnown {
			return
		}
	}
	q.known[id] = &told{alert: *a}
}

// Close tells what waits, with one attempt each, until ctx ends. What is left then
// counts as failed.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	first := !q.closed
	q.closed = true
	q.mu.Unlock()
	if first {
		close(q.ending)
	}
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
	}
	q.cancel()
	q.mu.Lock()
	q.counts.Failed += uint64(len(q.wait))
	q.wait = nil
	q.mu.Unlock()
	return ctx.Err()
}
