package probe

import (
	"net"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/tcpwatch/tcpwatch/bpf"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// What each read of a TCP socket pays for the program that looks for the first one,
// beside a program that does nothing, on connections that carry little and on such
// that carry much. The price of measuring is in both.
func BenchmarkFirstRead(b *testing.B) {
	kerneltest.RequireRoot(b)
	p := load(b, Options{NoInventory: true})
	drainAll(b, p)
	nothing, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "nothing", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "tcp_rcv_space_adjust",
		License: "Dual BSD/GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer nothing.Close()
	l, err := link.AttachTracing(link.TracingOptions{Program: nothing})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	stats, err := ebpf.EnableStats(0 /* BPF_STATS_RUN_TIME */)
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	ns := kerneltest.NewNetns(b)
	programs := []*ebpf.Program{p.coll.Programs[bpf.TcpwatchProgFirstRead], nothing}
	for name, size := range map[string]int{"little": 1, "much": 4096} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var each [2][]float64
				for range timerRounds {
					before := statsOf(b, programs)
					volley(b, ns, size)
					for i, after := range statsOf(b, programs) {
						each[i] = append(each[i], float64(after.Runtime-before[i].Runtime)/float64(after.RunCount-before[i].RunCount))
					}
				}
				b.Logf("%.0f ns a read, %.0f for nothing; in the best tenth %.0f and %.0f",
					part(each[0], 2), part(each[1], 2), part(each[0], 10), part(each[1], 10))
			}
		})
	}
}

func statsOf(b *testing.B, programs []*ebpf.Program) (all []*ebpf.ProgramStats) {
	for _, p := range programs {
		s, err := p.Stats()
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// volley sends messages of a size to and fro on one connection.
func volley(t testing.TB, ns *kerneltest.Netns, size int) {
	const rounds = 300
	var client, server *net.TCPConn
	ns.Do(func() { client, server = kerneltest.Pair(t, kerneltest.IPv4) })
	var both sync.WaitGroup
	play := func(c *net.TCPConn, first bool) {
		message := make([]byte, size)
		for range rounds {
			if first {
				_, _ = c.Write(message)
			}
			for got := 0; got < size; {
				n, err := c.Read(message)
				if err != nil {
					t.Errorf("volley: %v", err)
					return
				}
				got += n
			}
			if !first {
				_, _ = c.Write(message)
			}
		}
	}
	both.Go(func() { play(client, true) })
	both.Go(func() { play(server, false) })
	both.Wait()
	_, _ = client.Close(), server.Close()
}
