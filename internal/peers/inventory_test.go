package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/found"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/sink"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
)

// inventories compares one inventory of many sockets, most of them in TIME_WAIT,
// with ss and with a program that only walks. All run in the namespace of the
// sockets, and with as many of them.
func (s *scale) inventories(b *testing.B, g *goals) {
	sockets := s.sockets
	binary := kerneltest.BuildTcpwatch(b)
	ns := kerneltest.NewNetns(b)
	ns.Named(fmt.Sprintf("tcpwatch-inventory-%d", os.Getpid())) // where an inventory finds it
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 62000")
	ns.Sysctl("net/ipv4/tcp_max_tw_buckets", "2000000")
	ns.Sysctl("net/ipv4/tcp_tw_reuse", "0")
	ns.Do(func() { kerneltest.Churn(b, kerneltest.ChurnOptions{Connections: sockets}) })
	p, err := probe.Load(probe.Options{InventoryOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	walk := counter(b)
	var ss, ours, bare, walked, counted []float64
	ns.Do(func() {
		for range s.deep {
			ss = append(ss, seconds(b, func() error { return run("ss", "-tan") }))
			ours = append(ours, seconds(b, func() error { return run(binary, "sockets", "-q") }))
			bare = append(bare, seconds(b, func() error { return list(p) }))
			walked = append(walked, seconds(b, func() error { return drained(p) }))
			counted = append(counted, seconds(b, func() error { return readAll(walk) }))
		}
	})
	if sockets >= 500_000 { // with few of them it is loading that takes the time
		note := fmt.Sprintf("%d sockets: ss %s s", sockets, spread(ss, "%.2f"))
		g.least("inventory, times as fast as ss -tan, whole command", "%.1f", median(ss)/median(ours), 3, note, "ours "+spread(ours, "%.2f"))
		g.least("the same without loading", "%.1f", median(ss)/median(bare), 5, "ours "+spread(bare, "%.2f"))
	}
	g.most("its time, of a program on iter/tcp that only counts", "%.2f", median(walked)/median(counted), 1.5,
		"rows decoded, not printed: "+spread(walked, "%.3f"), "counted: "+spread(counted, "%.3f"))
}

func seconds(b *testing.B, f func() error) float64 {
	b.Helper()
	began := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began).Seconds()
}

func run(program string, args ...string) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout = null
	return cmd.Run()
}

// list does what the command sockets does, once it has loaded.
func list(p *probe.Probe) error {
	snapshot := p.Snapshot(context.Background())
	defer snapshot.Close()
	queues := found.NewQueues(written{view.NewSockets(io.Discard)})
	if err := found.New(queues).Read(snapshot); err != nil {
		return err
	}
	queues.Finish(snapshot)
	return nil
}

// written is a Sink that writes.
type written struct{ to sink.Writer }

func (w written) Observe(o *track.Observation) { _ = w.to.Write(o) }

// drained takes an inventory, and does nothing with it.
func drained(p *probe.Probe) error {
	snapshot := p.Snapshot(context.Background())
	defer snapshot.Close()
	for {
		var ev events.Event
		if err := snapshot.Next(&ev); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// counter is an iterator whose program is handed each TCP socket, and does nothing.
func counter(b *testing.B) *link.Iter {
	b.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "floor_walk", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter, AttachTo: "tcp", License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		b.Fatal(err)
	}
	it, err := link.AttachIter(link.IterOptions{Program: prog})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = it.Close(); _ = prog.Close() })
	return it
}

func readAll(it *link.Iter) error {
	r, err := it.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}
