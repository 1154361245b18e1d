package e2e

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// run is a tcpwatch that runs, or has run. What it prints goes to files, so that
// it never waits for the test.
type run struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	exited chan struct{}
	parsed []line // of stdout, up to offset
	offset int64
}

// start starts the program with arguments.
func start(t *testing.T, args ...string) *run {
	t.Helper()
	return startCommand(t, exec.Command(kerneltest.BuildTcpwatch(t), args...))
}

func startCommand(t *testing.T, cmd *exec.Cmd) *run {
	t.Helper()
	kerneltest.RequireRoot(t)
	r := &run{t: t, cmd: cmd, dir: t.TempDir(), exited: make(chan struct{})}
	var files [2]*os.File
	for i, name := range []string{"stdout", "stderr"} {
		f, err := os.Create(filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() // the program has its own
		files[i] = f
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // ProcessState tells
		close(r.exited)
	}()
	t.Cleanup(func() {
		select {
		case <-r.exited:
		default:
			_ = cmd.Process.Kill()
			<-r.exited
		}
	})
	return r
}

func (r *run) read(name string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// stdout returns the whole lines printed so far.
func (r *run) stdout() []byte {
	b := r.read("stdout")
	return b[:bytes.LastIndexByte(b, '\n')+1]
}

func (r *run) stderr() string { return string(r.read("stderr")) }

// lines returns the lines of JSON printed so far.
func (r *run) lines() []line {
	r.t.Helper()
	f, err := os.Open(filepath.Join(r.dir, "stdout"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, r.offset, math.MaxInt64-r.offset))
	if err != nil {
		r.t.Fatal(err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	r.parsed = append(r.parsed, parseLines(r.t, b)...)
	r.offset += int64(len(b))
	return r.parsed
}

// wait waits for the end and returns the exit code.
func (r *run) wait() int {
	r.t.Helper()
	select {
	case <-r.exited:
	case <-time.After(patience + 10*time.Second):
		r.t.Fatalf("%v goes on; stderr: %s", r.cmd.Args, r.stderr())
	}
	return r.cmd.ProcessState.ExitCode()
}

// interrupt ends it as Ctrl-C does, and checks that it ends well.
func (r *run) interrupt() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Fatal(err)
	}
	if code := r.wait(); code != 0 {
		r.t.Errorf("%v: exit code %d: %s", r.cmd.Args, code, r.stderr())
	}
}

// ready makes connections in a namespace until the program, which prints JSON
// Lines, tells of one. What happens from now on is seen.
func (r *run) ready(ns *kerneltest.Netns) {
	r.t.Helper()
	ns.Do(func() {
		kerneltest.Eventually(r.t, patience, func() bool {
			made := kerneltest.Churn(r.t, kerneltest.ChurnOptions{Connections: 1})
			for range 50 {
				if len(sift(r.lines(), func(l *line) bool { return l.Event == "transition" && l.involves(made.Ports...) })) > 0 {
					return true
				}
				time.Sleep(2 * time.Millisecond)
			}
			return false
		}, "the first event; stderr: "+r.stderr())
	})
}

// await waits until a line is there that ok accepts, and returns it.
func (r *run) await(t *testing.T, ok func(*line) bool, what string) line {
	t.Helper()
	var found line
	kerneltest.Eventually(t, patience, func() bool {
		kept := sift(r.lines(), ok)
		if len(kept) > 0 {
			found = kept[0]
		}
		return len(kept) > 0
	}, what)
	return found
}

// output runs the program to its end and returns what it printed.
func output(t *testing.T, args ...string) (stdout []byte, stderr string, code int) {
	t.Helper()
	r := start(t, args...)
	code = r.wait()
	return r.read("stdout"), r.stderr(), code
}

// mustOutput is output of a program that must succeed.
func mustOutput(t *testing.T, args ...string) []byte {
	t.Helper()
	stdout, stderr, code := output(t, args...)
	if code != 0 {
		t.Fatalf("tcpwatch %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}
