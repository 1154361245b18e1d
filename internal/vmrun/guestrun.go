package vmrun

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// stackGrace is how long a program that is over its time has to print the
// stacks of its goroutines, pipeGrace how long its output may stay open after
// its end because a child has it.
const (
	stackGrace = 10 * time.Second
	pipeGrace  = 2 * time.Second
)

// ExitTimeout is the exit code of a program that was over its time, as of
// timeout(1).
const ExitTimeout = 124

// runProgram runs the job's program until it ends and returns its exit code.
func runProgram(job *Job, frames *frameWriter) (code int, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	stdout, stderr := newRelay(stream{frames, frameStdout}), newRelay(stream{frames, frameStderr})
	if err := errors.Join(stdout.err, stderr.err); err != nil {
		return 0, err
	}
	// Not os/exec: the first process must wait for everybody's children.
	pid, err := syscall.ForkExec(job.Args[0], job.Args, &syscall.ProcAttr{
		Dir:   testDir,
		Env:   job.Env,
		Files: []uintptr{null.Fd(), stdout.in.Fd(), stderr.in.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", job.Args[0], err)
	}
	stdout.closeIn()
	stderr.closeIn()
	over := watchTime(pid, job.Timeout)
	status, err := reap(pid)
	if err != nil {
		return 0, err
	}
	stdout.wait()
	stderr.wait()
	if over() {
		msg := fmt.Sprintf("vmrun: the program ran longer than %v\n", job.Timeout)
		return ExitTimeout, frames.send(frameStderr, []byte(msg))
	}
	if status.Signaled() {
		msg := fmt.Sprintf("vmrun: the program ended by signal: %v\n", status.Signal())
		return 128 + int(status.Signal()), frames.send(frameStderr, []byte(msg))
	}
	return status.ExitStatus(), nil
}

// reap waits for any child, adopted ones too, until pid has ended.
func reap(pid int) (syscall.WaitStatus, error) {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for the program: %w", err)
		}
		if ended == pid && (status.Exited() || status.Signaled()) {
			return status, nil
		}
	}
}

// watchTime asks a program that is over its time for its stacks, then kills
// it. The result stops the watch and reports whether it was over.
func watchTime(pid int, limit time.Duration) (over func() bool) {
	asked := time.AfterFunc(limit, func() { _ = syscall.Kill(pid, syscall.SIGQUIT) })
	killed := time.AfterFunc(limit+stackGrace, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	return func() bool {
		killed.Stop()
		return !asked.Stop()
	}
}

// relay copies one stream of the program into frames.
type relay struct {
	in   *os.File // the program's end
	done sync.WaitGroup
	err  error
}

func newRelay(to io.Writer) *relay {
	out, in, err := os.Pipe()
	r := &relay{in: in, err: err}
	if err != nil {
		return r
	}
	r.done.Go(func() { _, _ = io.Copy(to, out) }) // a failed write shows as a missing exit frame
	return r
}

func (r *relay) closeIn() { _ = r.in.Close() } // only the program writes to it

// wait returns when all that was written is relayed, at the latest after
// pipeGrace.
func (r *relay) wait() {
	done := make(chan struct{})
	go func() { r.done.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(pipeGrace):
	}
}

// sendFiles writes what is below dir as a tar.
func sendFiles(w io.Writer, dir string) error {
	t := tar.NewWriter(w)
	if err := t.AddFS(os.DirFS(dir)); err != nil {
		return fmt.Errorf("send files back: %w", err)
	}
	return t.Close()
}
