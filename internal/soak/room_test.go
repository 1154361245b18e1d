package soak

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

const (
	patience  = 30 * time.Second // for what should take moments
	loadLimit = 20 * time.Minute // for one load
)

// room is where the programs run: a network namespace whose counters are theirs
// alone, and a directory for their files.
type room struct {
	t   *testing.T
	ns  *kerneltest.Netns
	dir string
}

// Addresses of the servers. No other test uses them, so a record of the whole
// machine tells which events are of here.
const (
	host  = "127.77.0.1"
	host6 = "fd77::1"
)

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, ns: kerneltest.NewNetns(t)}
	r.ns.Up("lo", host6+"/128")
	for name, value := range map[string]string{
		"ip_local_port_range": "10000 65000", // the servers' are below
		"tcp_max_tw_buckets":  "2000000",     // so that there is no overflow
		"tcp_syn_retries":     "1",           // so that a handshake is given up in seconds,
		"tcp_orphan_retries":  "1",           // and what a program has closed
	} {
		r.ns.Sysctl("net/ipv4/"+name, value)
	}
	var err error
	if r.dir, err = os.MkdirTemp("", "tcpwatch-soak-"); err != nil { // t.TempDir is closed to other users
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(r.dir) })
	if err := os.Chmod(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

// write writes a file of the room's.
func (r *room) write(name, text string) (path string) {
	r.t.Helper()
	path = filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// program is one that runs until it is told to end.
type program struct {
	r    *room
	cmd  *exec.Cmd
	log  string
	quit syscall.Signal
	gone chan struct{}
}

// start starts a program, which quit ends.
func (r *room) start(quit syscall.Signal, cmd *exec.Cmd) *program {
	r.t.Helper()
	p := &program{r: r, cmd: cmd, quit: quit, gone: make(chan struct{})}
	log, err := os.CreateTemp(r.dir, "log-")
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close() // the program has its own
	p.log = log.Name()
	cmd.Stdout, cmd.Stderr = log, log
	endWithTest(cmd, quit)
	r.ns.Do(func() { err = cmd.Start() })
	if err != nil {
		r.t.Fatalf("start %v: %v", cmd.Args, err)
	}
	go func() {
		_ = cmd.Wait() // ProcessState tells
		close(p.gone)
	}()
	r.t.Cleanup(func() { p.end() })
	return p
}

// endWithTest has a program end also if the test is killed.
func endWithTest(cmd *exec.Cmd, quit syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = quit
}

// end ends the program by its pid.
func (p *program) end() {
	p.r.t.Helper()
	select {
	case <-p.gone:
		return
	default:
	}
	_ = p.cmd.Process.Signal(p.quit) // it may have ended just now
	select {
	case <-p.gone:
	case <-time.After(patience):
		p.r.t.Errorf("%v does not end; it said: %s", p.cmd.Args, p.said())
		_ = p.cmd.Process.Kill()
		<-p.gone
	}
}

// kill ends it with no time to say goodbye.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended just now
	<-p.gone
}

func (p *program) said() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// await waits until the program listens on an address.
func (p *program) await(port int) *program {
	p.r.t.Helper()
	kerneltest.Eventually(p.r.t, patience, func() bool {
		select {
		case <-p.gone:
			p.r.t.Fatalf("%v has ended: %s", p.cmd.Args, p.said())
		default:
		}
		return p.r.listens(port)
	}, fmt.Sprintf("%v listens on port %d", p.cmd.Args, port))
	return p
}

// listens reads the kernel's table: a connection would count.
func (r *room) listens(port int) bool {
	r.t.Helper()
	var table []byte
	var err error
	r.ns.Do(func() { table, err = os.ReadFile("/proc/thread-self/net/tcp") })
	if err != nil {
		r.t.Fatal(err)
	}
	return bytes.Contains(table, fmt.Appendf(nil, ":%04X 00000000:0000 0A", port))
}

// run runs a program to its end. Exit codes that it may have are in allowed, beside 0.
func (r *room) run(allowed []int, name string, args ...string) {
	r.t.Helper()
	r.runCommand(allowed, exec.Command(name, args...))
}

func (r *room) runCommand(allowed []int, cmd *exec.Cmd) {
	r.t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	endWithTest(cmd, syscall.SIGKILL)
	var err error
	r.ns.Do(func() { err = cmd.Start() })
	if err != nil {
		r.t.Fatal(err)
	}
	limit := time.AfterFunc(loadLimit, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	if err := cmd.Wait(); err != nil && !slices.Contains(allowed, cmd.ProcessState.ExitCode()) {
		r.t.Fatalf("%v: %v: %s", cmd.Args, err, said.String())
	}
}

// opened is how many connections were begun here so far.
func (r *room) opened() int {
	r.t.Helper()
	return countersOf(r.t, r.ns)["ActiveOpens"]
}
