// Package sink carries observations from the goroutine that reads the kernel's
// ring to one that writes them somewhere slower.
package sink

import (
	"sync"
	"sync/atomic"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

const (
	batchSize  = 256
	maxBatches = 128 // in flight: with full batches about 30,000 observations
	// While so many wait for the writer, a flush leaves the batch that is being
	// filled to grow: many small ones would use up the room.
	maxAhead = 8
)

// Writer writes observations, from one goroutine.
type Writer interface {
	// Write writes one observation, perhaps into a buffer.
	Write(*track.Observation) error
	// Flush writes what is buffered: nothing more is at hand.
	Flush() error
}

// Queue is a Sink that never blocks. What a slow Writer leaves no room for is
// dropped, and the hole is told of in its place.
type Queue struct {
	writer  Writer
	mu      sync.Mutex // guards filling and owed
	filling *batch
	owed    bool // a flush was asked for; the writer takes filling when it is idle
	full    chan *batch
	empty   chan *batch
	made    int
	dropped uint64 // since the last batch that went through
	last    uint64 // time of the newest drop, ns since boot
	lost    atomic.Uint64
	done    chan struct{}
	err     error
	failed  func(error)
}

var _ track.Sink = (*Queue)(nil)

// batch owns copies of what observations point to.
type batch struct {
	observations []track.Observation
	sockets      []track.Socket
}

// NewQueue starts the goroutine that writes. failed, which may be nil, is
// called once from it if the Writer fails; what comes after that is dropped
// silently.
func NewQueue(w Writer, failed func(error)) *Queue {
	q := &Queue{
		writer: w, failed: failed,
		full:  make(chan *batch, maxBatches),
		empty: make(chan *batch, maxBatches),
		done:  make(chan struct{}),
	}
	go q.write()
	return q
}

// Observe implements track.Sink.
func (q *Queue) Observe(o *track.Observation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.filling == nil {
		if q.filling = q.next(); q.filling == nil {
			q.dropped++
			q.last = o.Event.Time
			q.lost.Add(1)
			return
		}
		q.tellOfDrops()
	}
	q.filling.add(o)
	if len(q.filling.observations) >= batchSize {
		q.handOver()
	}
}

func (b *batch) add(o *track.Observation) {
	b.observations = append(b.observations, *o)
	if o.Socket != nil {
		b.sockets = append(b.sockets, *o.Socket)
		// The capacity is never exceeded, so the address stays good.
		b.observations[len(b.observations)-1].Socket = &b.sockets[len(b.sockets)-1]
	}
}

// next returns an empty batch, or nil if all are in flight.
func (q *Queue) next() *batch {
	select {
	case b := <-q.empty:
		return b
	default:
	}
	if q.made == maxBatches {
		return nil
	}
	q.made++
	// One more than batchSize: a note of drops comes on top.
	return &batch{
		observations: make([]track.Observation, 0, batchSize+1),
		sockets:      make([]track.Socket, 0, batchSize+1),
	}
}

func (q *Queue) tellOfDrops() {
	if q.dropped == 0 {
		return
	}
	q.filling.add(&track.Observation{Event: events.Event{
		Kind: events.Lost, Time: q.last, Where: events.WhereQueue, LostCount: q.dropped, InState: -1,
	}, InState: -1})
	q.dropped = 0
}

// Flush hands over what has gathered, now or when the writer gets to it.
func (q *Queue) Flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.full) >= maxAhead {
		q.owed = true
		return
	}
	q.handOver()
}

func (q *Queue) handOver() {
	q.owed = false
	if q.filling == nil || len(q.filling.observations) == 0 {
		return
	}
	q.full <- q.filling // never blocks: there are no more batches than room
	q.filling = nil
}

// collect returns the batch that a flush has left, if it is its turn.
func (q *Queue) collect() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.owed || len(q.full) > 0 || q.filling == nil {
		return nil
	}
	b := q.filling
	q.filling, q.owed = nil, false
	return b
}

// Close writes what is left, and returns the Writer's error.
func (q *Queue) Close() error {
	if q.dropped > 0 {
		b := <-q.empty // all are in flight, so one comes back
		q.mu.Lock()
		q.filling = b
		q.tellOfDrops()
		q.mu.Unlock()
	}
	q.mu.Lock()
	q.handOver()
	q.mu.Unlock()
	close(q.full)
	<-q.done
	return q.err
}

// Lost returns how many observations were dropped.
func (q *Queue) Lost() uint64 { return q.lost.Load() }

func (q *Queue) write() {
	defer close(q.done)
	for b := range q.full {
		for ; b != nil; b = q.collect() {
			q.writeBatch(b)
		}
	}
}

func (q *Queue) writeBatch(b *batch) {
	if q.err == nil {
		if q.err = q.try(b); q.err != nil && q.failed != nil {
			q.failed(q.err)
		}
	}
	clear(b.observations) // a recorded line must not be kept alive
	b.observations, b.sockets = b.observations[:0], b.sockets[:0]
	q.empty <- b
}

func (q *Queue) try(b *batch) error {
	for i := range b.observations {
		if err := q.writer.Write(&b.observations[i]); err != nil {
			return err
		}
	}
	if len(q.full) > 0 {
		return nil
	}
	return q.writer.Flush()
}
