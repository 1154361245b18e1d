package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// On a host where nothing happens the program sleeps.
func TestQuietHostIsLeftAlone(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{})
	r := start(t, "trace", "-o", "jsonl")
	r.ready(ns)
	const watched = 3 * time.Second
	// The reader polls for some milliseconds after an event, and others have
	// events while this test runs.
	const atRest, perEvent = 40, 20
	// First the inventory must have ended, which others' namespaces make long.
	kerneltest.Eventually(t, patience, func() bool {
		events, switches := len(w.Events()), voluntarySwitches(t, r.cmd.Process.Pid)
		time.Sleep(watched)
		switches = voluntarySwitches(t, r.cmd.Process.Pid) - switches
		events = len(w.Events()) - events
		t.Logf("%d context switches in %v, with %d events on the host", switches, watched, events)
		return switches <= atRest+perEvent*events
	}, "rest")
	r.interrupt()
}

// voluntarySwitches adds up how often the threads of a process went to sleep.
func voluntarySwitches(t *testing.T, pid int) (n int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("threads of %d: %v", pid, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if count, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				k, err := strconv.Atoi(strings.TrimSpace(count))
				if err != nil {
					t.Fatal(err)
				}
				n += k
			}
		}
	}
	return n
}

// How long a user waits for the first line, and how soon an event is told of.
func TestFirstLineComesSoon(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	kerneltest.BuildTcpwatch(t)
	began := time.Now()
	r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)
	took := time.Since(began)
	if most := kerneltest.Within(1500 * time.Millisecond); took > most { // ten times what it takes on an idle machine
		t.Errorf("the first event was told of %v after the start, want at most %v", took, most)
	}
	t.Logf("the first event was told of %v after the start", took)
	r.interrupt()
}
