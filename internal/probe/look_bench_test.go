package probe

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/model"
)

// What a look costs with 10,000 mini-sockets, beside one without: the other way to
// follow TIME_WAIT than by timers, every five seconds.
func BenchmarkLook(b *testing.B) {
	kerneltest.RequireRoot(b)
	p := load(b, Options{InventoryOnly: true})
	look := func() (minis int, took time.Duration) {
		before := cpuTime(b)
		_, _, err := p.inventory(context.Background(), func(batch []events.Event) error {
			for i := range batch {
				if batch[i].To == model.TimeWait {
					minis++
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		return minis, cpuTime(b) - before
	}
	measure := func() (minis int, took float64) {
		var all []float64
		for range timerRounds {
			n, d := look()
			minis, all = n, append(all, float64(d))
		}
		return minis, part(all, 2)
	}
	for b.Loop() {
		few, without := measure()
		ns := kerneltest.NewNetns(b)
		ns.Named(fmt.Sprintf("tcpwatch-look-%d", os.Getpid())) // where an inventory finds it
		ns.Sysctl("net/ipv4/ip_local_port_range", "2000 60000")
		ns.Sysctl("net/ipv4/tcp_max_tw_buckets", "1000000")
		ns.Do(func() { kerneltest.Churn(b, kerneltest.ChurnOptions{Connections: 10_000, Clients: 2}) })
		many, with := measure()
		b.Logf("%.2f ms of processor with %d mini-sockets, %.2f with %d: %.0f ns for each",
			with/1e6, many, without/1e6, few, (with-without)/float64(many-few))
	}
}
