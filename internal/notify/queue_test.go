package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ear is a Sink that keeps what it is told, fails as often as it is asked to, and
// when it is deaf hangs until its time is over.
type ear struct {
	mu    sync.Mutex
	heard []alert.Alert
	at    []time.Time // of the attempts
	fails []error     // of the next attempts
	deaf  bool
}

func (e *ear) Name() string { return "ear" }

func (e *ear) Send(ctx context.Context, alerts []alert.Alert) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = append(e.at, time.Now())
	if e.deaf {
		<-ctx.Done()
		return ctx.Err()
	}
	if len(e.fails) > 0 {
		err := e.fails[0]
		e.fails = e.fails[1:]
		return err
	}
	e.heard = append(e.heard, alerts...)
	return nil
}

func firing(n int) alert.Alert {
	return alert.Alert{Rule: "CloseWaitLeak", Status: alert.Firing, Labels: map[string]string{"n": fmt.Sprint(n)}}
}

func resolved(n int) alert.Alert {
	a := firing(n)
	a.Status = alert.Resolved
	return a
}

func closeQueue(t *testing.T, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := q.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestQueueTellsOnceForEachStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		q := NewQueue(&e, Options{})
		for _, a := range []alert.Alert{firing(1), firing(1), firing(2), resolved(1), resolved(1), firing(1)} {
			q.Notify([]alert.Alert{a})
		}
		synctest.Wait()
		closeQueue(t, q)
		if got, want := q.Counts(), (Counts{Sent: 4, Duplicates: 2}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		if len(e.heard) != 4 {
			t.Errorf("heard %v", e.heard)
		}
	})
}

func TestQueueTriesAgainWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		e := ear{fails: []error{errors.New("one"), errors.New("two"), errors.New("three")}}
		var said int
		q := NewQueue(&e, Options{Random: func() float64 { return 0.5 }, Failed: func(string, error) { said++ }})
		q.Notify([]alert.Alert{firing(1)})
		time.Sleep(time.Minute)
		closeQueue(t, q)
		want := []time.Duration{0, 750 * time.Millisecond, 2250 * time.Millisecond, 5250 * time.Millisecond}
		for i, at := range e.at {
			if at.Sub(start) != want[i] {
				t.Errorf("attempt %d after %v, want %v", i, at.Sub(start), want[i])
			}
		}
		if got := q.Counts(); len(e.at) != len(want) || got != (Counts{Sent: 1, Retries: 3}) || said != 3 {
			t.Errorf("%d attempts, %d told of, counts %+v", len(e.at), said, got)
		}
	})
}

func TestQueueGivesUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      error
		attempts int
	}{
		{"after the last attempt", errors.New("down"), 3},
		{"at once on what does not pass", permanent(errors.New("not found")), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := ear{fails: []error{c.err, c.err, c.err}}
				q := NewQueue(&e, Options{Attempts: 3})
				q.Notify([]alert.Alert{firing(1)})
				time.Sleep(time.Hour)
				if got := q.Counts(); got.Failed != 1 || len(e.at) != c.attempts {
					t.Errorf("%d attempts, counts %+v", len(e.at), got)
				}
				e.fails = nil
				q.Notify([]alert.Alert{firing(1)}) // the engine says it again: a new chance
				synctest.Wait()
				if got := q.Counts(); got.Sent != 1 {
					t.Errorf("told again: counts %+v", got)
				}
				closeQueue(t, q)
			})
		})
	}
}

func TestQueueTellsAgainOfWhatStillFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		q := NewQueue(&e, Options{Resend: time.Minute})
		q.Notify([]alert.Alert{firing(1), firing(2)})
		time.Sleep(30 * time.Second)
		newer := firing(1)
		newer.Value = 7
		q.Notify([]alert.Alert{newer, resolved(2)})
		time.Sleep(2 * time.Minute)
		q.Notify([]alert.Alert{resolved(1)})
		time.Sleep(5 * time.Minute)
		closeQueue(t, q)
		var got string
		for _, a := range e.heard {
			got += fmt.Sprintf("%s %s %g, ", a.Labels["n"], a.Status, a.Value)
		}
		want := "1 firing 0, 2 firing 0, 2 resolved 0, 1 firing 7, 1 firing 7, 1 resolved 0, "
		if got != want {
			t.Errorf("heard %s\nwant  %s", got, want)
		}
	})
}

func TestDeadSinkHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ear{deaf: true}
		q := NewQueue(&e, Options{Capacity: 10, Attempts: 2, Batch: 1})
		start := time.Now()
		const n = 100_000
		for i := range n {
			q.Notify([]alert.Alert{firing(i)})
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the producer waited %v", took)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := q.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("closed after %v, want 3s", took)
		}
		synctest.Wait()
		if got := q.Counts(); got.Failed+got.Dropped != n || got.Failed < 10 || got.Failed > 11 {
			t.Errorf("counts %+v", got)
		}
		q.Notify([]alert.Alert{firing(-1)}) // after the end: counted, no more
		if got := q.Counts(); got.Failed+got.Dropped != n+1 {
			t.Errorf("counts after the end %+v", got)
		}
	})
}

func TestQueueForgetsWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		q := NewQueue(&e, Options{})
		for i := range 3 * maxKnown {
			q.Notify([]alert.Alert{firing(i)})
			synctest.Wait()
			q.Notify([]alert.Alert{resolved(i)})
			synctest.Wait()
		}
		q.mu.Lock()
		known := len(q.known)
		q.mu.Unlock()
		if known > maxKnown || len(e.heard) != 6*maxKnown {
			t.Errorf("knows %d, told %d", known, len(e.heard))
		}
		closeQueue(t, q)
	})
}
