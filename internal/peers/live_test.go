package peers

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// screens tells what the live screen costs with many sockets, and how soon it
// answers.
func (s *scale) screens(b *testing.B, g *goals) {
	sockets := s.screen
	binary := kerneltest.BuildTcpwatch(b)
	ns := kerneltest.NewNetns(b)
	ns.Named(fmt.Sprintf("tcpwatch-live-%d", os.Getpid()))
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 62000")
	ns.Sysctl("net/ipv4/tcp_max_tw_buckets", "2000000")
	ns.Do(func() { kerneltest.Churn(b, kerneltest.ChurnOptions{Connections: sockets}) })
	cmd := exec.Command(binary, "live")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 160})
	if err != nil {
		b.Fatal(err)
	}
	defer terminal.Close()
	painted := make(chan time.Time, 1<<16)
	go func() {
		defer close(painted)
		buf := make([]byte, 64<<10)
		for {
			n, err := terminal.Read(buf)
			if err != nil {
				return
			}
			if n > 0 {
				painted <- time.Now()
			}
		}
	}()
	time.Sleep(3 * time.Second) // the first inventory
	var took []float64
	for range 40 {
		time.Sleep(110 * time.Millisecond)
		for len(painted) > 0 {
			<-painted
		}
		began := time.Now()
		if _, err := terminal.WriteString("j"); err != nil {
			b.Fatal(err)
		}
		took = append(took, float64((<-painted).Sub(began).Microseconds())/1000)
	}
	watched := min(10*time.Second, 2*s.idle)
	before := processorOf(b, cmd.Process.Pid)
	time.Sleep(watched)
	part := (processorOf(b, cmd.Process.Pid) - before).Seconds() / watched.Seconds()
	_, _ = terminal.WriteString("q")
	for range painted {
	}
	if err := cmd.Wait(); err != nil {
		b.Fatalf("live: %v", err)
	}
	g.most(fmt.Sprintf("live with %d sockets, %% of a processor", sockets), "%.1f", 100*part, 5, "all of the process, four times a second")
	g.most("key to frame, ms, the longest of 40", "%.1f", quantile(took, 1), 50, spread(took, "%.1f"))
}

// processorOf returns what a process has used of processors.
func processorOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const utime, tick = 14 - 3, 10 * time.Millisecond
	var total time.Duration
	for _, f := range fields[utime : utime+2] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(n) * tick
	}
	return total
}
