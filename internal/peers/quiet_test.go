package peers

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// follower reads the lines of a tcpwatch that follows everything.
type follower struct {
	cmd   *exec.Cmd
	lines chan time.Time // when each transition's came
	all   atomic.Int64   // lines
}

func follow(b *testing.B, binary string) *follower {
	b.Helper()
	f := &follower{cmd: exec.Command(binary, "trace", "-o", "jsonl"), lines: make(chan time.Time, 1024)}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(f.lines)
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadSlice('\n')
			if err != nil {
				return
			}
			f.all.Add(1)
			if bytes.Contains(line, []byte(`"event":"transition"`)) {
				f.lines <- time.Now()
			}
		}
	}()
	return f
}

func (f *follower) stop() {
	_ = f.cmd.Process.Signal(os.Interrupt)
	for range f.lines {
	}
	_ = f.cmd.Wait()
}

// quietHost tells how soon it is ready, how soon an event is told of when there are
// few, and what is used when there are none.
func (s *scale) quietHost(b *testing.B, g *goals) {
	binary := kerneltest.BuildTcpwatch(b)
	flaps, err := newFlapper()
	if err != nil {
		b.Fatal(err)
	}
	if s.idle >= time.Minute {
		kerneltest.AwaitNoError(b, 2*time.Minute, noTimeWait, "what an earlier run left in TIME_WAIT is gone")
	}
	var starts []float64
	for range s.starts {
		began := time.Now()
		f := follow(b, binary)
		for len(f.lines) == 0 {
			if err := flaps.flap(); err != nil {
				b.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond)
		}
		starts = append(starts, float64((<-f.lines).Sub(began).Milliseconds()))
		f.stop()
	}
	g.most("start to first line, ms", "%.0f", median(starts), 150, fmt.Sprintf("median of %d: %s", len(starts), spread(starts, "%.0f")))

	nothing(b, g, binary, s.idle)
	f := follow(b, binary)
	defer f.stop()
	time.Sleep(time.Second)
	for len(f.lines) > 0 {
		<-f.lines
	}
	var took []float64
	for range s.events {
		time.Sleep(150 * time.Millisecond) // it sleeps by then
		began := time.Now()
		if err := flaps.flap(); err != nil {
			b.Fatal(err)
		}
		took = append(took, float64((<-f.lines).Sub(began).Microseconds())/1000)
		<-f.lines
	}
	g.most("a lone event, kernel to stdout, p99, ms", "%.1f", quantile(took, 0.99), 100, fmt.Sprintf("of %d: %s", len(took), spread(took, "%.1f")))
}

// noTimeWait reports that this network namespace has nothing in TIME_WAIT.
func noTimeWait() error {
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return err
	}
	if _, rest, ok := strings.Cut(string(text), " tw "); !ok || !strings.HasPrefix(rest, "0 ") {
		return fmt.Errorf("sockets in TIME_WAIT: %.20q", rest)
	}
	return nil
}

// nothing tells what is used while nothing happens. What others do on the host
// meanwhile is told beside.
func nothing(b *testing.B, g *goals, binary string, idle time.Duration) {
	f := follow(b, binary)
	defer f.stop()
	time.Sleep(min(5*time.Second, 2*idle)) // to rest
	others := f.all.Load()
	before := contextSwitches(b, f.cmd.Process.Pid)
	time.Sleep(idle)
	switches := 0
	for thread, n := range contextSwitches(b, f.cmd.Process.Pid) {
		switches += n - before[thread] // of those that have ended meanwhile nothing is known
	}
	others = f.all.Load() - others
	if idle >= time.Minute { // a short while says nothing
		g.most("context switches per second when nothing happens", "%.2f", float64(switches)/idle.Seconds(), 0.2, fmt.Sprintf("%d in %v, with %d lines of others", switches, idle, others))
	}
	g.most("resident memory when idle, MiB", "%.0f", float64(resident(b, f.cmd.Process.Pid))/(1<<20), 40)
}

// contextSwitches counts those of each thread.
func contextSwitches(b *testing.B, pid int) map[string]int {
	b.Helper()
	threads := map[string]int{}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		b.Fatalf("threads of %d: %v", pid, err)
	}
	for _, file := range files {
		threads[file] = fieldOf(file, "voluntary_ctxt_switches:") + fieldOf(file, "nonvoluntary_ctxt_switches:")
	}
	return threads
}

// resident returns the resident memory of a process in bytes.
func resident(b *testing.B, pid int) int {
	b.Helper()
	kB := fieldOf(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
	if kB == 0 {
		b.Fatal("no resident memory")
	}
	return kB << 10
}

// fieldOf returns a number of a file in /proc, 0 if it is not there.
func fieldOf(file, name string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0 // the thread has ended
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				n, _ := strconv.Atoi(fields[0])
				return n
			}
		}
	}
	return 0
}
