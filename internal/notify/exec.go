package notify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// Exec runs a program for each alert, one after the other, with the alert's line of
// JSON on its stdin. Nothing of an alert is an argument, and there is no shell. The
// Queue's timeout ends it, with all that it has started: its Batch is to be 1.
type Exec struct {
	Argv   []string
	Booted time.Time
}

// hookEnvironment is what of tcpwatch's environment a hook sees: secrets and the
// service manager's socket are none of its business.
var hookEnvironment = [...]string{"PATH", "HOME", "LANG", "TZ"}

// How long to wait, and what is kept of what a hook writes.
const (
	hookGrace  = time.Second // to close its output once it was killed
	hookOutput = 512
)

// Name implements Sink.
func (*Exec) Name() string { return "exec" }

// Send implements Sink. An alert whose program failed does not keep the others of
// the batch from theirs, and is not tried again: the program may have done half.
func (x *Exec) Send(ctx context.Context, alerts []alert.Alert) error {
	var failed error
	for i := range alerts {
		if err := x.run(ctx, &alerts[i]); err != nil {
			failed = permanent(err)
		}
	}
	return failed
}

func (x *Exec) run(ctx context.Context, a *alert.Alert) error {
	line, err := lines([]alert.Alert{*a}, x.Booted)
	if err != nil {
		return err
	}
	var out head
	cmd := exec.CommandContext(ctx, x.Argv[0], x.Argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(line), &out, &out
	cmd.Env = hookEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = hookGrace
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("run hook %s: took too long, killed: %w", x.Argv[0], ctx.Err())
		}
		return fmt.Errorf("run hook %s: %w: %s", x.Argv[0], err, visible(string(out.kept)))
	}
	return nil
}

func hookEnv() []string {
	env := []string{} // nil would be all of it
	for _, name := range hookEnvironment {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// head keeps the beginning of what is written, and takes all.
type head struct{ kept []byte }

func (h *head) Write(b []byte) (int, error) {
	h.kept = append(h.kept, b[:min(len(b), hookOutput-len(h.kept))]...)
	return len(b), nil
}
