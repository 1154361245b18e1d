package probe

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// What the programs of timers cost: beside the same with all other programs, in
// turns, so that a busy neighbour hits both. Read the ratios.
func BenchmarkTimers(b *testing.B) {
	kerneltest.RequireRoot(b)
	p := load(b, Options{TimeWait: TimeWaitTimers, NoInventory: true})
	handler := uint64(0)
	if err := p.coll.Variables["tw_handler"].Get(&handler); err != nil || handler == 0 {
		b.Fatalf("no timers: %v, %+v", err, p.Losses)
	}
	// Only this benchmark attaches them from here on.
	attached := len(programs) - 3
	for _, l := range p.links[attached:] {
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
	p.links = p.links[:attached]
	drainAll(b, p)
	for name, work := range map[string]workload{"connections": connections, "ping-pong": pingPong} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				compareCosts(b, p, work)
			}
		})
	}
}

// drainAll reads what comes until the benchmark ends.
func drainAll(b *testing.B, p *Probe) {
	live, err := p.Live(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		var ev events.Event
		for live.Next(&ev) == nil {
		}
	})
	b.Cleanup(func() {
		live.Stop()
		done.Wait()
		_ = live.Close()
	})
}

// timerWays are what may be attached to the hooks of timers.
func timerWays(b *testing.B, p *Probe) map[string]func() []link.Link {
	ours := func() []link.Link {
		links, err := p.attachTimers()
		if err != nil {
			b.Fatal(err)
		}
		return links
	}
	return map[string]func() []link.Link{
		"none": func() []link.Link { // to attach disturbs too: it rewrites code of the kernel
			closeAll(ours())
			return nil
		},
		"empty": func() []link.Link { return emptyTimers(b) },
		"ours":  ours,
	}
}

// emptyTimers attaches programs that do nothing: what the hooks cost.
func emptyTimers(b *testing.B) (links []link.Link) {
	for _, prog := range programs {
		if !prog.timers {
			continue
		}
		empty, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "empty_" + prog.name, Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: prog.hook,
			License: "Dual BSD/GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err != nil {
			b.Fatal(err)
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: empty})
		if err != nil {
			b.Fatal(err)
		}
		_ = empty.Close()
		links = append(links, l)
	}
	return links
}

// timerRounds are short, so that what else runs on the machine changes little
// within one.
const timerRounds = 101

// A workload does something many times, and returns how often.
type workload func(testing.TB, *kerneltest.Netns) int

// costs are of one thing done.
type costs struct{ cpu, wall float64 } // ns; cpu is of this process, with what it does in the kernel

func measureCosts(b *testing.B, ns *kerneltest.Netns, work workload) costs {
	start, before := time.Now(), cpuTime(b)
	n := float64(work(b, ns))
	return costs{float64(cpuTime(b)-before) / n, float64(time.Since(start)) / n}
}

// cpuTime is the processor time of this process.
func cpuTime(b *testing.B) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

func compareCosts(b *testing.B, p *Probe, work workload) {
	ns := kerneltest.NewNetns(b)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
	ns.Sysctl("net/ipv4/tcp_max_tw_buckets", "1000000")
	ways := timerWays(b, p)
	all := map[string][]costs{}
	order := []string{"none", "ours", "empty"}
	for range timerRounds {
		for _, name := range order {
			links := ways[name]()
			all[name] = append(all[name], measureCosts(b, ns, work))
			closeAll(links)
		}
		slices.Reverse(order)
	}
	for _, name := range order {
		cpu := func(c costs) float64 { return c.cpu }
		wall := func(c costs) float64 { return c.wall }
		b.Logf("%-5s %6.1f us of processor, %.3f of none; in the best tenth %6.1f us, %.3f; %6.1f us, %.3f of none", name,
			part(each(all[name], cpu), 2)/1000, part(ratios(all[name], all["none"], cpu), 2),
			part(each(all[name], cpu), 10)/1000, part(each(all[name], cpu), 10)/part(each(all["none"], cpu), 10),
			part(each(all[name], wall), 2)/1000, part(ratios(all[name], all["none"], wall), 2))
	}
	perRun(b, ns, p, work)
}

func each(all []costs, of func(costs) float64) (some []float64) {
	for _, c := range all {
		some = append(some, of(c))
	}
	return some
}

// ratios compares each round with the same round of base.
func ratios(all, base []costs, of func(costs) float64) (some []float64) {
	for i := range all {
		some = append(some, of(all[i])/of(base[i]))
	}
	return some
}

// part returns the first n-th of all: the median for 2, the edge of the best
// tenth for 10, which a busy machine disturbs least.
func part(all []float64, n int) float64 {
	slices.Sort(all)
	return all[len(all)/n]
}

func closeAll(links []link.Link) {
	for _, l := range links {
		_ = l.Close()
	}
}

// perRun says how often each program runs for one thing done, and how long it
// takes, beside one that does nothing: the price of measuring is in both.
func perRun(b *testing.B, ns *kerneltest.Netns, p *Probe, work workload) {
	stats, err := ebpf.EnableStats(0 /* BPF_STATS_RUN_TIME */)
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	links := append(timerWays(b, p)["ours"](), emptyTimers(b)...)
	defer closeAll(links)
	took := map[string][]float64{}
	runs := map[string]float64{}
	for range timerRounds {
		before := timerStats(b, p, links)
		n := work(b, ns)
		for name, after := range timerStats(b, p, links) {
			count := after.RunCount - before[name].RunCount
			took[name] = append(took[name], float64(after.Runtime-before[name].Runtime)/float64(count))
			runs[name] += float64(count) / float64(n) / timerRounds
		}
	}
	for _, name := range slices.Sorted(maps.Keys(took)) {
		b.Logf("%-16s %5.2f runs, %4.0f ns each, %4.0f in the best tenth", name, runs[name], part(took[name], 2), part(took[name], 10))
	}
}

// timerStats are of our programs, and of those of links that do nothing.
func timerStats(b *testing.B, p *Probe, links []link.Link) map[string]*ebpf.ProgramStats {
	all := map[string]*ebpf.ProgramStats{}
	for _, l := range links {
		info, err := l.Info()
		if err != nil {
			b.Fatal(err)
		}
		prog, err := ebpf.NewProgramFromID(info.Program)
		if err != nil {
			b.Fatal(err)
		}
		s, err := prog.Stats()
		if err != nil {
			b.Fatal(err)
		}
		what, err := prog.Info()
		if err != nil {
			b.Fatal(err)
		}
		_ = prog.Close()
		all[what.Name] = s
	}
	return all
}

// connections makes some on one thread, one after the other.
func connections(t testing.TB, ns *kerneltest.Netns) int {
	const n = 500
	ns.Do(func() { kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: n, Clients: 1}) })
	return n
}

// pingPong sends a byte to and fro on some connections at once: each sets and
// takes off timers.
func pingPong(t testing.TB, ns *kerneltest.Netns) int {
	const pairs, rounds = 2, 300
	var all sync.WaitGroup
	for range pairs {
		var client, server *net.TCPConn
		ns.Do(func() { client, server = kerneltest.Pair(t, kerneltest.IPv4) })
		play := func(c *net.TCPConn, first bool) {
			var b [1]byte
			for range rounds {
				if first {
					_, _ = c.Write(b[:])
				}
				if _, err := c.Read(b[:]); err != nil {
					t.Errorf("ping-pong: %v", err)
					return
				}
				if !first {
					_, _ = c.Write(b[:])
				}
			}
		}
		all.Go(func() { play(client, true) })
		all.Go(func() { play(server, false) })
	}
	all.Wait()
	return pairs * rounds
}
