package mill

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// The environment of the processes that the test binary becomes.
const (
	roleVariable = "TCPWATCH_MILL"      // mill or keeper
	seedVariable = "TCPWATCH_MILL_SEED" // of the mill's choices
)

func init() {
	if os.Getenv(roleVariable) != "" {
		// To the first thread, whose namespace is the process's in /proc: it must not
		// be one of those that go elsewhere.
		runtime.LockOSThread()
	}
}

// Main is the mill, or its keeper, in a process that is to be one; else it
// returns. TestMain calls it first.
func Main() {
	var err error
	switch os.Getenv(roleVariable) {
	case "":
		return
	case "mill":
		err = grind()
	case "keeper":
		err = keep()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mill:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Holder is a file descriptor of a process.
type Holder struct {
	PID, FD int
}

// Socket is one that the mill knows to exist while it stands still.
type Socket struct {
	Kind      string
	Netns     uint32 // inode number
	Cookie    uint64
	States    []string // it is in one of these, by the kernel's names without TCP_
	Holders   []Holder // none: it waits in a message between two processes
	Connected bool     // or a listener; else no list has it
}

// Is reports whether there is no doubt that the socket is in a state.
func (s *Socket) Is(state string) bool { return len(s.States) == 1 && s.States[0] == state }

// MayBe reports whether the socket can be in a state.
func (s *Socket) MayBe(state string) bool { return slices.Contains(s.States, state) }

// Picture is what the mill knows while it stands still.
type Picture struct {
	Made    int            // connections so far
	Kinds   map[string]int // connections of each kind so far
	Sockets []Socket
}

// Mill is a running mill.
type Mill struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Reader
	ended bool
}

// Start starts a mill, standing still, between namespaces that kerneltest.Veth
// joined. It ends with the test.
func Start(t testing.TB, a, b *kerneltest.Netns, seed uint64) *Mill {
	t.Helper()
	m := &Mill{t: t, cmd: exec.Command(os.Args[0])}
	m.cmd.Env = append(os.Environ(), roleVariable+"=mill", fmt.Sprintf("%s=%d", seedVariable, seed))
	m.cmd.Stderr = os.Stderr
	var err error
	if m.stdin, err = m.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.lines = bufio.NewReader(out)
	for _, ns := range []*kerneltest.Netns{a, b} {
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, ns.File())
	}
	a.Do(func() { err = m.cmd.Start() })
	if err != nil {
		t.Fatalf("start mill: %v", err)
	}
	t.Cleanup(m.End)
	return m
}

// PID is the process that holds most of the sockets.
func (m *Mill) PID() int { return m.cmd.Process.Pid }

// Make makes some more connections, stops at random, and says what is there.
func (m *Mill) Make(connections int) Picture {
	m.t.Helper()
	m.Go(connections)
	return m.Await()
}

// Go begins to make connections. Await must follow.
func (m *Mill) Go(connections int) {
	m.t.Helper()
	m.say(fmt.Sprintln("go", connections))
}

// Stop ends Go early. Await must follow.
func (m *Mill) Stop() {
	m.t.Helper()
	m.say("stop\n")
}

func (m *Mill) say(command string) {
	m.t.Helper()
	if _, err := io.WriteString(m.stdin, command); err != nil {
		m.t.Fatalf("command the mill: %v", err)
	}
}

// Await waits until the mill stands still.
func (m *Mill) Await() (p Picture) {
	m.t.Helper()
	line, err := m.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p)
	}
	if err != nil {
		m.t.Fatalf("await the mill: %v", err)
	}
	return p
}

// End ends the mill, which closes everything.
func (m *Mill) End() {
	if m.ended {
		return
	}
	m.ended = true
	_ = m.stdin.Close() // tells it to end
	_, _ = io.Copy(io.Discard, m.lines)
	if err := m.cmd.Wait(); err != nil {
		m.t.Errorf("mill: %v", err)
	}
}
