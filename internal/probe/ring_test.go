package probe

import (
	"os"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// A ring of one page and a reader that does not read: nearly everything is
// lost, and counted to the last event, and nobody is accused of what was not
// seen.
func TestFullRingLosesExactly(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := roomy(t)
	p := load(t, Options{NoInventory: true, RingSize: os.Getpagesize()})
	b := openBooks(t, p)
	var made kerneltest.Churned
	ns.Do(func() { made = kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: kerneltest.Load(3000)}) })
	b.check(t)

	// Now somebody reads, while there is more to lose.
	c := newTally(ns.Inum())
	f := follow(t, p, c)
	var again kerneltest.Churned
	ns.Do(func() {
		again = kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: kerneltest.Load(3000), Reset: true})
	})
	hidden := b.check(t)
	f.stop(t)
	lost, nested := checkDelivered(t, p, f.live.Delivered())
	if c.lost[events.WhereRing] != lost || c.lost[events.WhereNested] != nested {
		t.Errorf("told of %v, counted %d in the ring and %d nested", c.lost, lost, nested)
	}
	if few := uint64(made.Total() / 2); lost < few {
		t.Errorf("lost %d of %d: the ring was not full", lost, made.Total())
	}
	if hidden == 0 && len(c.unhealthy) > 0 {
		t.Errorf("impossible after a loss: %v", c.unhealthy)
	}
	t.Logf("%d lost, %d delivered, of %d transitions and what comes with them; judged %v, ends %v",
		lost, f.live.Delivered(), made.Total()+again.Total(), c.verdicts, c.closed)
}
