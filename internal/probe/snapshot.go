package probe

import (
	"context"
	"io"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
)

// Snapshot is the Source of one inventory: each fd that holds a TCP socket
// (Holder), then each TCP socket (Inventory), then the fds of sockets that seemed
// to have none (Holder), then those that have none (Unheld), then Found.
type Snapshot struct {
	queue  inventoryQueue
	batch  []events.Event // what is left of whole
	whole  []events.Event
	spares spares
	done   bool
}

var _ events.Source = (*Snapshot)(nil)

// Snapshot starts an inventory. The Probe must outlive it.
func (p *Probe) Snapshot(ctx context.Context) *Snapshot {
	return &Snapshot{queue: startInventory(ctx, p.census), spares: p.spares}
}

// Next implements events.Source.
func (s *Snapshot) Next(ev *events.Event) error {
	for len(s.batch) == 0 {
		s.spares.give(s.whole)
		s.whole = nil
		if s.done {
			return io.EOF
		}
		batch, ok := <-s.queue.batches
		if !ok {
			s.done = true
			if s.queue.err != nil {
				return s.queue.err
			}
			*ev = events.Event{Kind: events.Found, Time: now(), InState: -1}
			return nil
		}
		s.batch, s.whole = batch, batch
	}
	*ev = s.batch[0]
	s.batch = s.batch[1:]
	return nil
}

// Walked reports whether the TCP sockets of a namespace were walked, once Next
// has returned Found. Of another one only what an fd holds is known.
func (s *Snapshot) Walked(netns uint32) bool {
	_, ok := s.queue.walked[netns]
	return ok
}

// Counters returns those of a namespace that was walked, nil if they could not
// be read, once Next has returned Found.
func (s *Snapshot) Counters(netns uint32) *events.Counters { return s.queue.walked[netns] }

// Losses returns what the inventory could not look at, once Next has returned
// Found.
func (s *Snapshot) Losses() []Loss { return s.queue.losses }

// Close implements events.Source.
func (s *Snapshot) Close() error {
	s.queue.stop()
	return nil
}

// inventoryQueue hands an inventory over from the threads that make it.
type inventoryQueue struct {
	*inventoryResult
	batches chan []events.Event
	cancel  context.CancelFunc
}

// spares keeps batches that were used up: else hundreds of megabytes go through the
// garbage collector with a large inventory.
type spares chan []events.Event

func (s spares) take() []events.Event {
	select {
	case b := <-s:
		return b[:0]
	default:
		return make([]events.Event, 0, batchSize)
	}
}

func (s spares) give(b []events.Event) {
	if cap(b) < batchSize {
		return // one made for another purpose
	}
	select {
	case s <- b:
	default:
	}
}

// inventoryFunc hands an inventory to emit in batches that emit may keep. It
// returns the namespaces it walked and what it could not look at.
type inventoryFunc func(ctx context.Context, emit func([]events.Event) error) (walked map[uint32]*events.Counters, losses []Loss, err error)

// inventoryResult is valid once batches is closed.
type inventoryResult struct {
	walked map[uint32]*events.Counters
	losses []Loss
	err    error
	took   time.Duration // without waiting for whoever takes the batches
}

// startInventory runs take, which makes an inventory, beside the reader.
func startInventory(ctx context.Context, take inventoryFunc) inventoryQueue {
	ctx, cancel := context.WithCancel(ctx)
	q := inventoryQueue{inventoryResult: &inventoryResult{}, batches: make(chan []events.Event, 16), cancel: cancel}
	go func() {
		defer close(q.batches)
		began := time.Now() // which stands still while the machine is suspended
		var waited time.Duration
		defer func() { q.took = time.Since(began) - waited }()
		q.walked, q.losses, q.err = take(ctx, func(batch []events.Event) error {
			handed := time.Now()
			defer func() { waited += time.Since(handed) }()
			select {
			case q.batches <- batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return q
}

// stop ends the inventory and waits until it has.
func (q *inventoryQueue) stop() {
	if q.batches == nil {
		return
	}
	q.cancel()
	for range q.batches {
	}
}
