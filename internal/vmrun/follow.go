package vmrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

var (
	errHang  = errors.New("the guest hangs")
	errCrash = errors.New("the guest ended without an exit code: it crashed")
)

// guestOutput takes in what the guest sends.
type guestOutput struct {
	stdout, stderr io.Writer
	files          *os.File // the tar, unlinked
	started        chan struct{}
	done           chan struct{} // closed after err and code are set
	boot           time.Time     // when the program started
	release        string        // of the kernel, as of uname
	code           int
	err            error
}

func newGuestOutput(c *Config) *guestOutput {
	return &guestOutput{stdout: c.Stdout, stderr: c.Stderr, started: make(chan struct{}), done: make(chan struct{})}
}

// read takes frames until the last one.
func (g *guestOutput) read(r io.Reader) {
	defer close(g.done)
	for {
		kind, payload, err := readFrame(r)
		if err != nil {
			g.err = errCrash
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
				g.err = fmt.Errorf("%w (%v)", errCrash, err)
			}
			return
		}
		if kind == frameExit {
			g.code, g.err = exitCode(payload)
			return
		}
		if g.err = g.take(kind, payload); g.err != nil {
			return
		}
	}
}

func (g *guestOutput) take(kind frameKind, payload []byte) error {
	var err error
	switch kind {
	case frameStarted:
		g.boot, g.release = time.Now(), printable(string(payload))
		close(g.started)
	case frameStdout:
		_, err = g.stdout.Write(payload)
	case frameStderr:
		_, err = g.stderr.Write(payload)
	case frameFailed:
		err = fmt.Errorf("/init failed: %s", payload)
	case frameFiles:
		err = g.keep(payload)
	default:
		err = fmt.Errorf("guest sent a frame of kind %q", kind)
	}
	return err
}

// keep puts a piece of the tar aside, in a file that has no name.
func (g *guestOutput) keep(piece []byte) error {
	if g.files == nil {
		f, err := os.CreateTemp("", "vmrun-")
		if err != nil {
			return err
		}
		g.files = f
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
	}
	_, err := g.files.Write(piece)
	return err
}

// save writes the files that came to where they belong, and returns the names
// of those in filesDir.
func (g *guestOutput) save(out outputs) ([]string, error) {
	if g.files == nil {
		return nil, nil
	}
	if _, err := g.files.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return out.save(g.files)
}

func (g *guestOutput) close() {
	if g.files != nil {
		_ = g.files.Close() // unlinked, and read to the end
	}
}

// follow waits for the guest's end.
func (g *guestOutput) follow(ctx context.Context, m *machine, limit time.Duration) error {
	timer := time.NewTimer(bootLimit)
	defer timer.Stop()
	started := g.started
	for {
		select {
		case <-started:
			started = nil
			timer.Reset(limit + stackGrace + endLimit)
		case <-g.done:
			if errors.Is(g.err, errCrash) {
				settle(m) // let the console have its last words
			}
			return g.err
		case <-timer.C:
			if started != nil {
				return fmt.Errorf("%w: no program started within %v", errHang, bootLimit)
			}
			return fmt.Errorf("%w: no end %v after the program's time was over", errHang, stackGrace+endLimit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle waits a little for QEMU to end by itself.
func settle(m *machine) {
	select {
	case <-m.exited:
	case <-time.After(endLimit):
	}
	time.Sleep(50 * time.Millisecond) // the console's reader may be behind
}
