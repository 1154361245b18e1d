package tui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"

	"github.com/tcpwatch/tcpwatch/internal/track"
)

// What a terminal gets at the beginning and at the end.
const (
	enterAltScreen = "\x1b[?1049h"
	leaveAltScreen = "\x1b[?1049l"
	showCursor     = "\x1b[?25h"
	hideCursor     = "\x1b[?25l"
)

// patience is how long to wait for what must come.
const patience = 30 * time.Second

// terminal is a pseudo-terminal with the program in it.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	before *term.State
	width  uint16
	height uint16
	result chan error

	mu      sync.Mutex
	changed *sync.Cond
	output  bytes.Buffer
	mark    int // where the part of output begins that is still to be looked at
}

// runIn starts the program in a new terminal of 120x30.
func runIn(ctx context.Context, t *testing.T, f Feed, change ...func(*Options)) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, master: master, slave: slave, result: make(chan error, 1)}
	x.changed = sync.NewCond(&x.mu)
	t.Cleanup(func() { master.Close(); slave.Close() })
	if x.before, err = term.GetState(slave.Fd()); err != nil {
		t.Fatal(err)
	}
	x.resize(120, 30)
	go x.collect()
	o := Options{
		Feed: f, Title: "web-1", Color: true, Refresh: 10 * time.Millisecond, Input: slave, Output: slave,
		Environ: []string{"TERM=xterm-256color", "LANG=C.UTF-8"},
	}
	for _, c := range change {
		c(&o)
	}
	go func() { x.result <- Run(ctx, o) }()
	return x
}

func (x *terminal) collect() {
	buf := make([]byte, 4096)
	for {
		n, err := x.master.Read(buf)
		x.mu.Lock()
		x.output.Write(buf[:n])
		x.changed.Broadcast()
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (x *terminal) resize(width, height uint16) {
	x.t.Helper()
	x.mu.Lock()
	x.mark = x.output.Len()
	x.width, x.height = width, height
	x.mu.Unlock()
	if err := pty.Setsize(x.slave, &pty.Winsize{Cols: width, Rows: height}); err != nil {
		x.t.Fatal(err)
	}
	// It is not the controlling terminal of the test, so the kernel tells nobody.
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) send(keys string) {
	x.t.Helper()
	if _, err := x.master.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// await waits until everything has been written to the terminal since the last
// resize, with or without the escape sequences in it.
func (x *terminal) await(text ...string) {
	x.t.Helper()
	deadline := time.Now().Add(patience)
	timer := time.AfterFunc(patience, x.changed.Broadcast)
	defer timer.Stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	for !x.has(text) {
		if time.Now().After(deadline) {
			x.t.Fatalf("waited in vain for %q; got %q", text, x.output.String()[x.mark:])
		}
		x.changed.Wait()
	}
}

func (x *terminal) has(text []string) bool {
	raw := x.output.String()[x.mark:]
	stripped := ansi.Strip(raw)
	for _, s := range text {
		if !strings.Contains(raw, s) && !strings.Contains(stripped, s) {
			return false
		}
	}
	return true
}

// repaint has the whole screen drawn anew, and waits for text in it. A frame
// is otherwise only the difference to the one before.
func (x *terminal) repaint(text ...string) {
	x.t.Helper()
	x.resize(x.width^1, x.height)
	x.await(text...)
}

// end waits for the end of the program and checks that the terminal is as it
// was before.
func (x *terminal) end() error {
	x.t.Helper()
	var err error
	select {
	case err = <-x.result:
	case <-time.After(patience):
		x.t.Fatal("the program does not end")
	}
	x.mu.Lock()
	x.mark = 0
	x.mu.Unlock()
	x.await(enterAltScreen, leaveAltScreen, showCursor)
	x.mu.Lock()
	defer x.mu.Unlock()
	out := x.output.String()
	if strings.LastIndex(out, enterAltScreen) > strings.LastIndex(out, leaveAltScreen) {
		x.t.Error("the alternate screen is left on")
	}
	if strings.LastIndex(out, hideCursor) > strings.LastIndex(out, showCursor) {
		x.t.Error("the cursor is left hidden")
	}
	if after, err := term.GetState(x.slave.Fd()); err != nil || !reflect.DeepEqual(after, x.before) {
		x.t.Errorf("the terminal's settings differ: %+v, before %+v (%v)", after, x.before, err)
	}
	return err
}

func TestTerminal(t *testing.T) {
	f := newFeed(10000)
	scene(f)
	x := runIn(t.Context(), t, f)
	x.await(enterAltScreen, hideCursor, "CLOSE_WAIT", "web-1")
	x.send("s")
	x.repaint("STATE↑", "3107/curl")
	x.send("/curl\r")
	x.repaint("[/curl]", "1/1")
	x.send("\r")
	x.repaint("syn-ack-received", "fin by local")
	x.resize(40, 10)
	x.await("esc back", "lost 0", "FIN_WAIT2")
	x.resize(1, 1)
	x.resize(80, 24)
	x.await("esc back", "syn-ack-received")
	x.resize(120, 40)
	x.await("netns cookie")
	x.send("\r")
	x.send("?")
	x.await("WHILE A FILTER IS TYPED")
	x.send("q")
	if err := x.end(); err != nil {
		t.Errorf("q: %v", err)
	}
}

func TestCtrlCEndsInOrder(t *testing.T) {
	x := runIn(t.Context(), t, newFeed(10))
	x.await("no open sockets")
	x.send("/abc\x03")
	if err := x.end(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}

func TestContextEndsInOrder(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	x := runIn(ctx, t, newFeed(10))
	x.await("no open sockets")
	cancel()
	if err := x.end(); err != nil {
		t.Errorf("the end of the context: %v", err)
	}
}

func TestPanicRestoresTheTerminal(t *testing.T) {
	f := newFeed(10)
	x := runIn(t.Context(), t, f)
	x.await("no open sockets")
	f.set(func(f *fakeFeed) { f.panic = "in the table" })
	if err := x.end(); err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("error %v, want the panic", err)
	}
}

// panicking is a Feed that panics itself.
type panicking struct{}

func (panicking) Ask(context.Context, func(*track.Table)) error { panic("in the feed") }

func TestPanicOfTheFeedRestoresTheTerminal(t *testing.T) {
	x := runIn(t.Context(), t, panicking{})
	if err := x.end(); err == nil || !strings.Contains(err.Error(), "in the feed") {
		t.Errorf("error %v, want the panic", err)
	}
}

func TestPanicOfAFilterRestoresTheTerminal(t *testing.T) {
	x := runIn(t.Context(), t, newFeed(10), func(o *Options) {
		o.Compile = func(string) (func(*track.Row) bool, error) { panic("in the filter") }
	})
	x.await("no open sockets")
	x.send("/a=")
	if err := x.end(); err == nil || !strings.Contains(err.Error(), "in the filter") {
		t.Errorf("error %v, want the panic", err)
	}
}

func TestNoTerminal(t *testing.T) {
	if term.IsTerminal(os.Stdout.Fd()) {
		t.Skip("go test runs tests of packages without a terminal")
	}
	if err := Run(t.Context(), Options{Feed: newFeed(1)}); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("error %v, want %v", err, ErrNoTerminal)
	}
}
