package sink

import (
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// paper is a Writer that keeps what it is given, and waits where it is told to.
type paper struct {
	gate    chan struct{} // one Write for each receive; nil never waits
	fail    error         // returned by Write number failAt
	failAt  int
	mu      sync.Mutex
	told    []track.Observation
	writes  int
	flushed int // how many observations the newest Flush wrote out
	flushes chan struct{}
}

func (p *paper) Write(o *track.Observation) error {
	if p.gate != nil {
		<-p.gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	if p.fail != nil && p.writes == p.failAt {
		return p.fail
	}
	c := *o
	if o.Socket != nil {
		life := *o.Socket
		c.Socket = &life
	}
	p.told = append(p.told, c)
	return nil
}

func (p *paper) Flush() error {
	p.mu.Lock()
	p.flushed = len(p.told)
	p.mu.Unlock()
	if p.flushes != nil {
		p.flushes <- struct{}{}
	}
	return nil
}

func observation(n uint64) *track.Observation {
	return &track.Observation{Event: events.Event{Kind: events.Transition, Time: n}, ID: n}
}

// inOrder checks that nothing is missing but where a hole is told of, and that
// the holes are as large as they say.
func inOrder(t *testing.T, told []track.Observation, total, lost uint64) {
	t.Helper()
	next, holes := uint64(0), uint64(0)
	for _, o := range told {
		if o.Event.Kind == events.Lost {
			if o.Event.Where != events.WhereQueue {
				t.Errorf("lost in %s, want in the queue", o.Event.Where)
			}
			if o.Event.Time != next+o.Event.LostCount-1 {
				t.Errorf("the hole ends at %d, want at %d", o.Event.Time, next+o.Event.LostCount-1)
			}
			next += o.Event.LostCount
			holes += o.Event.LostCount
			continue
		}
		if o.ID != next {
			t.Fatalf("observation %d comes where %d should", o.ID, next)
		}
		next++
	}
	if next != total || holes != lost {
		t.Errorf("%d of %d accounted for, %d of %d lost", next, total, holes, lost)
	}
}

func TestEverythingArrivesInOrder(t *testing.T) {
	for _, every := range []int{0, 1, 7, 300} { // how often it is flushed
		p := &paper{}
		q := NewQueue(p, nil)
		const total = 5000
		for n := range uint64(total) {
			q.Observe(observation(n))
			if every > 0 && n%uint64(every) == 0 {
				q.Flush()
			}
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		inOrder(t, p.told, total, 0)
		if p.flushed != total {
			t.Errorf("%d flushed, want all %d", p.flushed, total)
		}
	}
}

// A writer that stands still never holds up the stream: what does not fit is
// dropped, counted, and told of where it is missing.
func TestSlowWriter(t *testing.T) {
	p := &paper{gate: make(chan struct{})}
	q := NewQueue(p, nil)
	const total = batchSize*maxBatches + 1000
	for n := range uint64(total) {
		q.Observe(observation(n)) // would hang here if it blocked
	}
	lost := q.Lost()
	if lost == 0 || lost > 1000 {
		t.Errorf("%d lost, want some, at most 1000", lost)
	}
	close(p.gate)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	inOrder(t, p.told, total, lost)
}

// Holes in the middle, again and again.
func TestWriterThatStutters(t *testing.T) {
	p := &paper{gate: make(chan struct{}, batchSize)}
	q := NewQueue(p, nil)
	const total = 4 * batchSize * maxBatches
	for n := range uint64(total) {
		q.Observe(observation(n))
		if n%3 == 0 {
			select {
			case p.gate <- struct{}{}:
			default:
			}
		}
	}
	close(p.gate)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	inOrder(t, p.told, total, q.Lost())
}

// Small batches do not use up the room while the writer is slow, and are not
// forgotten when it is not.
func TestFlushesWhileTheWriterIsSlow(t *testing.T) {
	p := &paper{gate: make(chan struct{}), flushes: make(chan struct{}, 64)}
	q := NewQueue(p, nil)
	const total = 20 * maxBatches
	for n := range uint64(total) {
		q.Observe(observation(n))
		q.Flush()
	}
	if q.Lost() > 0 {
		t.Errorf("%d lost of %d, want none: there is room for %d", q.Lost(), total, batchSize*maxBatches)
	}
	close(p.gate)
	for { // no further call of the stream: the writer gets what is owed by itself
		<-p.flushes
		p.mu.Lock()
		done := p.flushed == total
		p.mu.Unlock()
		if done {
			break
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	inOrder(t, p.told, total, 0)
}

// A lone observation is written when it is flushed, not when the next comes.
func TestFlushReachesTheWriter(t *testing.T) {
	p := &paper{flushes: make(chan struct{}, 8)}
	q := NewQueue(p, nil)
	q.Observe(observation(0))
	q.Flush()
	<-p.flushes
	if p.flushed != 1 {
		t.Errorf("%d flushed, want 1", p.flushed)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWriterError(t *testing.T) {
	broken := errors.New("broken pipe")
	p := &paper{fail: broken, failAt: 3}
	reported := 0
	q := NewQueue(p, func(err error) {
		reported++
		if !errors.Is(err, broken) {
			t.Errorf("told of %v", err)
		}
	})
	for n := range uint64(2 * batchSize * maxBatches) {
		q.Observe(observation(n))
	}
	if err := q.Close(); !errors.Is(err, broken) {
		t.Errorf("%v, want the writer's error", err)
	}
	if reported != 1 || p.writes != 3 {
		t.Errorf("reported %d times after %d writes, want once after 3", reported, p.writes)
	}
}

// The queue owns copies: the table goes on with its sockets.
func TestSocketsAreCopied(t *testing.T) {
	p := &paper{gate: make(chan struct{})}
	q := NewQueue(p, nil)
	life := &track.Socket{}
	for n := range uint64(3 * batchSize) {
		o := observation(n)
		life.ID = n
		o.Socket = life
		q.Observe(o)
	}
	life.ID = 1 << 40
	close(p.gate)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for i, o := range p.told {
		if o.Socket == nil || o.Socket.ID != uint64(i) {
			t.Fatalf("observation %d has another life", i)
		}
	}
}

func TestCloseOfAnEmptyQueue(t *testing.T) {
	if err := NewQueue(&paper{}, nil).Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkObserve(b *testing.B) {
	q := NewQueue(&paper{failAt: 1, fail: errors.New("full")}, nil)
	o := observation(1)
	b.ReportAllocs()
	for b.Loop() {
		q.Observe(o)
	}
	_ = q.Close()
}
