package soak

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// wanted leaves out what no formula asks for: the transitions that are in order.
const wanted = `event != "transition" or verdict == "impossible" or verdict == "unjudged"`

// watch is a tcpwatch that runs, and what it has told so far.
type watch struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer  // readable once it has ended
	quit   chan struct{} // closed when it has ended: no line will follow
	ended  chan struct{} // closed when the last line is read

	mu    sync.Mutex
	from  int64 // lines of before are not counted
	books *ledger
	all   int
	err   error
}

// startWatch starts tcpwatch for a namespace and waits until it tells of what
// happens there. What happens from now on is in its books.
func startWatch(t *testing.T, ns *kerneltest.Netns, ports map[uint16]string) *watch {
	t.Helper()
	w := &watch{quit: make(chan struct{}), ended: make(chan struct{}), books: newLedger(ports)}
	// Of a million connections nothing is forgotten, and a busy moment fits the ring.
	w.cmd = exec.Command(kerneltest.BuildTcpwatch(t), "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()),
		"--max-sockets", "4000000", "--ring-size", fmt.Sprint(64<<20), wanted)
	// Its output is a file, so that it never waits for the test.
	out, err := os.CreateTemp(t.TempDir(), "lines-")
	if err != nil {
		t.Fatal(err)
	}
	w.cmd.Stdout, w.cmd.Stderr = out, &w.stderr
	endWithTest(w.cmd, syscall.SIGINT)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go w.read(out.Name())
	t.Cleanup(w.kill)
	if err := out.Close(); err != nil { // it has its own
		t.Fatal(err)
	}
	kerneltest.Eventually(t, patience, func() bool {
		ns.Do(func() { connectNowhere(t) })
		time.Sleep(20 * time.Millisecond)
		return w.told() > 0
	}, "the first line")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.from = now(t)
	w.books = newLedger(ports)
	return w
}

// now is the time since boot, as in mono_ns.
func now(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano()
}

// read reads the lines as they come, to the last.
func (w *watch) read(path string) {
	defer close(w.ended)
	f, err := os.Open(path)
	if err != nil {
		w.fail(err)
		return
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<20)
	var part []byte // of a line that is not written to its end yet
	for last := false; ; {
		text, err := lines.ReadBytes('\n')
		part = append(part, text...)
		switch {
		case err == nil:
			w.enter(part)
			part = part[:0]
		case err != io.EOF || last:
			if err != io.EOF || len(part) > 0 {
				w.fail(fmt.Errorf("read lines: %w after %q", err, part))
			}
			return
		default:
			last = w.pause()
		}
	}
}

// pause lets more lines come, and reports whether these are the last.
func (w *watch) pause() bool {
	select {
	case <-w.quit:
		return true
	case <-time.After(10 * time.Millisecond):
		return false
	}
}

func (w *watch) enter(text []byte) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		w.fail(fmt.Errorf("parse %q: %w", text, err))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all++
	if l.Mono >= w.from {
		w.books.add(&l)
	}
}

// fail keeps the first error.
func (w *watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = cmp.Or(w.err, err)
}

func (w *watch) told() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

// opened counts the lives that have ended and were seen to begin in a state.
func (w *watch) opened(first string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.books.count(func(k kind) bool { return k.first == first })
}

// end ends it as Ctrl-C does, and returns its books.
func (w *watch) end(t *testing.T) *ledger {
	t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("tcpwatch: %v: %s", err, w.stderr.String())
	}
	close(w.quit)
	<-w.ended
	if w.err != nil {
		t.Fatalf("read tcpwatch's lines: %v", w.err)
	}
	return w.books
}

func (w *watch) kill() {
	if w.cmd.ProcessState == nil {
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait() // killed
		close(w.quit)
		<-w.ended
	}
}
