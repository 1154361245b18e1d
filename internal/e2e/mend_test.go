package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/mill"
	"github.com/tcpwatch/tcpwatch/internal/probe"
)

// With a ring of one page, and a reader that is held up, most events are lost.
// Each is counted, none makes a verdict of its socket, and the picture is right
// again soon after.
func TestTableIsMendedAfterLoss(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	a, b := twoRooms(t)
	hidden := watchHidden(t)
	m := mill.Start(t, a, b, 3)
	f := follow(t, probe.Options{RingSize: os.Getpagesize()})
	rounds := 3
	if kerneltest.Guest() != "" {
		rounds = 1 // where two looks take a minute
	}
	for round := range rounds {
		held := round != 1 // the ring is too small even for a reader that does its best
		if held {
			f.gate.held.Lock()
		}
		p := m.Make(kerneltest.Load(6000) / rounds)
		if held {
			f.gate.held.Unlock()
		}
		began := time.Now()
		kerneltest.AwaitNoError(t, mended, func() error { return f.check(p, a, b) }, "the picture to be mended")
		t.Logf("right %v after the churn", time.Since(began).Round(time.Millisecond))
	}
	s := f.look(a, b)
	if hidden() == 0 {
		s.noneImpossible(t)
	}
	if s.stats.Lost[events.WhereRing] == 0 {
		t.Error("nothing was lost")
	}
	t.Logf("%d open, %d held, %d hidden, %s", len(s.full), len(s.held), hidden(), s.stats.Completeness())
	f.stop()
	f.checkLosses()
}

// A program that is stopped for a second under load loses most of what happens. It
// says how much, calls none of it impossible, and its picture is right again soon
// after.
func TestStoppedProgramMendsItsPicture(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	a, b := twoRooms(t)
	hidden := watchHidden(t)
	m := mill.Start(t, a, b, 5)
	r := traceRooms(t, a, b, "-v", "--ring-size", "65536")
	m.Make(kerneltest.Load(500))
	r.signal(syscall.SIGSTOP)
	const stopped = time.Second
	for until := time.Now().Add(stopped); time.Now().Before(until); {
		m.Make(kerneltest.Load(2000))
	}
	r.signal(syscall.SIGCONT)
	m.Make(kerneltest.Load(500))
	began := time.Now()
	kerneltest.AwaitNoError(t, mended, func() error { return r.checkRecording(a, b) }, "the picture to be mended")
	t.Logf("right %v after the churn", time.Since(began).Round(time.Millisecond))
	r.interrupt()
	if err := r.checkRecording(a, b); err != nil {
		t.Error(err)
	}
	lines := r.lines()
	if hidden() == 0 {
		noneImpossible(t, lines)
	}
	lost := lostOf(lines)
	if lost == 0 {
		t.Error("nothing was lost")
	}
	if counted := countedLost(t, r.stderr()); counted != lost {
		t.Errorf("told of %d events lost, counted %d", lost, counted)
	}
	t.Log(lastLine(r.stderr()))
}

func (r *run) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// countedLost adds up what trace -v prints of its programs' counters.
func countedLost(t *testing.T, stderr string) (n int) {
	t.Helper()
	for row := range strings.Lines(stderr) {
		_, counts, ok := strings.Cut(row, " fired ")
		if !ok {
			continue
		}
		var fired, seen, nested, filtered, full, rescued int
		_, err := fmt.Sscanf(counts, "%d = seen %d + nested %d; filtered %d, ring full %d, rescued %d", &fired, &seen, &nested, &filtered, &full, &rescued)
		if err != nil {
			t.Fatalf("%v: %s", err, row)
		}
		n += nested + full
	}
	return n
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
