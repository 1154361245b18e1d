package probe

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Close ends a Next that polls, and one that sleeps.
func TestCloseEndsNext(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, d := range []time.Duration{0, pollInterval, 20 * pollInterval} {
		p := load(t, Options{})
		live, err := p.Live(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			var ev events.Event
			for {
				if err := live.Next(&ev); err != nil {
					ended <- err
					return
				}
			}
		}()
		time.Sleep(d)
		if err := live.Close(); err != nil {
			t.Errorf("after %v: %v", d, err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, io.EOF) {
				t.Errorf("after %v: Next returned %v, want EOF", d, err)
			}
		case <-time.After(patience):
			t.Fatalf("after %v: Next goes on", d)
		}
	}
}
