package probe

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
)

// How long an inventory takes is what it costs: a reader that is held up, or a
// program that is stopped, does not put off the next one.
func TestInventoryDoesNotCountItsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const work, stop = time.Second, time.Hour
		q := startInventory(t.Context(), func(_ context.Context, emit func([]events.Event) error) (map[uint32]*events.Counters, []Loss, error) {
			time.Sleep(work)
			for range 100 { // more than the queue takes
				if err := emit(make([]events.Event, 1)); err != nil {
					return nil, nil, err
				}
			}
			return nil, nil, nil
		})
		time.Sleep(stop)
		for range q.batches {
		}
		if q.took != work {
			t.Errorf("it took %v, want %v", q.took, work)
		}
		q.stop()
	})
}
