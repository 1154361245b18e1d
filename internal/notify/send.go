package notify

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// The pause before the n-th retry is drawn from the upper half of
// firstPause * 2^n, and no longer than maxPause.
const (
	firstPause      = time.Second
	maxPause        = time.Minute
	defaultAttempts = 6 // about half a minute
)

func (o *Options) setDefaults() {
	if o.Capacity <= 0 {
		o.Capacity = defaultCapacity
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Failed == nil {
		o.Failed = func(string, error) {}
	}
}

// pause is how long to wait before the n-th retry, from 0.
func (o *Options) pause(n int) time.Duration {
	d := min(firstPause<<min(n, 16), maxPause)
	return d/2 + time.Duration(o.Random()*float64(d/2))
}

// run sends until Close.
func (q *Queue) run() {
	defer close(q.done)
	defer q.cancel()
	var again <-chan time.Time
	if q.o.Resend > 0 {
		t := time.NewTicker(q.o.Resend)
		defer t.Stop()
		again = t.C
	}
	for {
		select {
		case <-q.wake:
		case now := <-again:
			q.repeat(now)
		case <-q.ending:
			q.drain()
			return
		}
		q.drain()
	}
}

// drain sends whatever waits.
func (q *Queue) drain() {
	for {
		batch := q.next()
		if len(batch) == 0 {
			return
		}
		q.settle(batch, q.try(batch))
	}
}

func (q *Queue) next() []alert.Alert {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.wait), q.o.Batch)
	batch := q.wait[:n:n]
	q.wait = q.wait[n:]
	return batch
}

// repeat puts what still fires, and was told long enough ago, at the end of the
// queue again.
func (q *Queue) repeat(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range q.known {
		if k.alert.Status != alert.Firing || k.sent.IsZero() || now.Sub(k.sent) < q.o.Resend/2 {
			continue
		}
		if len(q.wait) >= q.o.Capacity {
			return // the next round comes
		}
		k.sent = time.Time{}
		q.wait = append(q.wait, k.alert)
	}
}

// try sends a batch until it arrives or is given up.
func (q *Queue) try(batch []alert.Alert) error {
	for n := 0; ; n++ {
		err := q.attempt(batch)
		if err == nil {
			return nil
		}
		q.o.Failed(q.sink.Name(), err)
		if errors.Is(err, errPermanent) || n+1 >= q.o.Attempts || !q.rest(q.o.pause(n)) {
			return err
		}
		q.mu.Lock()
		q.counts.Retries++
		q.mu.Unlock()
	}
}

func (q *Queue) attempt(batch []alert.Alert) error {
	ctx, cancel := context.WithTimeout(q.ctx, q.o.Timeout)
	defer cancel()
	return q.sink.Send(ctx, batch)
}

// rest waits, and reports whether there is time for another attempt.
func (q *Queue) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.ending:
		return false
	}
}

// settle counts a batch. What was not told is told again if somebody asks.
func (q *Queue) settle(batch []alert.Alert, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.counts.Failed += uint64(len(batch))
	} else {
		q.counts.Sent += uint64(len(batch))
	}
	for i := range batch {
		id := batch[i].Fingerprint()
		k := q.known[id]
		switch {
		case k == nil || k.alert.Status != batch[i].Status:
		case err != nil && q.o.Resend == 0:
			delete(q.known, id)
		default:
			k.sent = time.Now() // where it failed, the next round of what still fires tries again
		}
	}
}
