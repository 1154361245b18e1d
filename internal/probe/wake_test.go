package probe

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// A lone event on a quiet host arrives within 100 ms, also when it comes just
// as the reader goes to sleep: nothing is stranded in the ring.
func TestLoneEventIsNotStranded(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	p := load(t, Options{NoInventory: true})
	live, err := p.Live(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	listener := listen(t)
	port := netip.MustParseAddrPort(listener.Addr().String()).Port()
	arrived := make(chan time.Time, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var ev events.Event
		for live.Next(&ev) == nil {
			if ev.Kind == events.Transition && ev.Rport == port && ev.To.String() == "SYN_SENT" {
				arrived <- time.Now()
			}
		}
	}()
	var worst time.Duration
	for i := range 150 {
		// From the middle of polling, over arming, into deep sleep.
		time.Sleep(time.Duration(i%50) * time.Millisecond)
		sent := time.Now()
		c, err := net.Dial("tcp4", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		select {
		case at := <-arrived:
			worst = max(worst, at.Sub(sent))
		case <-time.After(kerneltest.Within(5 * time.Second)):
			t.Fatalf("event %d did not arrive in 5 s", i)
		}
		c.Close()
	}
	t.Logf("worst latency of 150 lone events: %v", worst)
	if worst > 100*time.Millisecond*slack {
		t.Errorf("a lone event took %v, want at most %v", worst, 100*time.Millisecond*slack)
	}
	live.Stop()
	<-done
}

// slack widens bounds on time for machines that are busy with something else.
const slack = 5
