package peers

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// watcher is a running tcpwatch.
type watcher struct {
	cmd    *exec.Cmd
	out    *os.File
	stderr bytes.Buffer
	begun  time.Duration // of a processor, to start
}

// usage is what one used since it was watching, and lost.
type usage struct {
	cpu                     time.Duration
	fired, nested, ringFull uint64
}

// watching starts tcpwatch with stdout to a file, and waits until it watches.
func watching(b *testing.B, binary, file string, args ...string) *watcher {
	b.Helper()
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	w := &watcher{cmd: exec.Command(binary, args...), out: out}
	w.cmd.Stdout, w.cmd.Stderr = out, &w.stderr
	if err := w.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	kerneltest.Eventually(b, 20*time.Second, func() bool { return loaded("state") }, "its programs are loaded")
	time.Sleep(500 * time.Millisecond) // attached, and the first inventory over
	w.begun = processorOf(b, w.cmd.Process.Pid)
	return w
}

// stop ends it, and returns what it says with -v.
func (w *watcher) stop(b *testing.B) (u usage) {
	b.Helper()
	if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
		b.Fatal(err)
	}
	if err := w.cmd.Wait(); err != nil {
		b.Fatalf("tcpwatch: %v: %s", err, w.stderr.String())
	}
	if err := w.out.Close(); err != nil {
		b.Fatal(err)
	}
	u.cpu = w.cmd.ProcessState.UserTime() + w.cmd.ProcessState.SystemTime() - w.begun
	if m := firedLine.FindStringSubmatch(w.stderr.String()); m != nil {
		for i, to := range []*uint64{&u.fired, &u.nested, &u.ringFull} {
			n, err := strconv.ParseUint(m[i+1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			*to = n
		}
	}
	if u.fired == 0 {
		b.Fatalf("nothing fired: %s", w.stderr.String())
	}
	return u
}
