package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/mill"
)

// The environment of a helper: the test binary runs itself to have processes
// with other pids and names.
const (
	helperMode = "TCPWATCH_E2E_HELPER" // serve, leak, hold, share or take over
	helperAddr = "TCPWATCH_E2E_ADDR"   // where to listen
	helperName = "TCPWATCH_E2E_NAME"   // of the process, if not its own, in hexadecimal
)

func init() {
	if os.Getenv(helperMode) != "" {
		runtime.LockOSThread() // to the first thread, whose name is the process's
	}
}

func TestMain(m *testing.M) {
	mill.Main()
	if mode := os.Getenv(helperMode); mode != "" {
		if err := help(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// help is what a helper does: it listens, says on which address, and either
// serves connections or holds one to itself, until its stdin ends.
func help(mode string) error {
	if err := rename(os.Getenv(helperName)); err != nil {
		return err
	}
	switch mode {
	case "take over":
		return takeOver()
	case "close first":
		return closeFirst(os.Getenv(helperAddr))
	case "talk":
		return talk(os.Getenv(helperAddr))
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	if mode == "share" {
		lc.Control = sharePort
	}
	l, err := lc.Listen(context.Background(), "tcp", os.Getenv(helperAddr))
	if err != nil {
		return err
	}
	switch mode {
	case "hold":
		return hold(l)
	case "leak":
		return leak(l)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test
		_ = l.Close()
	}()
	fmt.Println(l.Addr())
	if mode == "share" {
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	return serve(l)
}

// closeFirst makes connections to an address, as many as the line of stdin says,
// and is the first to close each. Then it ends.
func closeFirst(addr string) error {
	var n int
	fmt.Println("ready")
	if _, err := fmt.Scanln(&n); err != nil {
		return err
	}
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			return err
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// sharePort lets other processes listen on the same port.
func sharePort(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(controlErr, err)
}

// serve reads each connection to its end, closes it, and says so.
func serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, c) // a reset is an end too
		if err := c.Close(); err != nil {
			return err
		}
		fmt.Println("closed", c.RemoteAddr())
	}
}

// talk connects to each address and says something; "exit 3" only fails.
func talk(addrs string) error {
	if code, ok := strings.CutPrefix(addrs, "exit "); ok {
		n, _ := strconv.Atoi(code)
		os.Exit(n)
	}
	for _, addr := range strings.Fields(addrs) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		_, _ = c.Write([]byte{1})
		_ = c.(*net.TCPConn).CloseWrite() // a reset is an end too
		_, _ = io.Copy(io.Discard, c)
		if err := c.Close(); err != nil {
			return err
		}
	}
	fmt.Println("talked")
	return nil
}

// leak accepts connections and forgets them: it neither reads nor closes.
func leak(l net.Listener) error {
	fmt.Println(l.Addr())
	var all []net.Conn
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test
		_ = l.Close()
	}()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			runtime.KeepAlive(all)
			return nil
		}
		if err != nil {
			return err
		}
		all = append(all, c)
	}
}

// hold keeps a connection to itself. For each line of stdin it makes and ends
// another one.
func hold(l net.Listener) error {
	ends, err := connectSelf(l)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr(), ends[0].LocalAddr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		again, err := connectSelf(l)
		if err != nil {
			return err
		}
		if err := errors.Join(again[0].Close(), again[1].Close()); err != nil {
			return err
		}
		fmt.Println("closed", again[0].LocalAddr())
	}
	return errors.Join(ends[0].Close(), ends[1].Close(), l.Close())
}

func connectSelf(l net.Listener) (ends [2]net.Conn, err error) {
	if ends[0], err = net.Dial("tcp", l.Addr().String()); err != nil {
		return ends, err
	}
	ends[1], err = l.Accept()
	return ends, err
}

// rename names the first thread by hexadecimal digits.
func rename(digits string) error {
	if digits == "" {
		return nil
	}
	var name [16]byte
	if _, err := fmt.Sscanf(digits, "%x", new([]byte)); err != nil {
		return err
	}
	var b []byte
	if _, err := fmt.Sscanf(digits, "%x", &b); err != nil {
		return err
	}
	copy(name[:15], b)
	return unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
}

// helper is a running helper.
type helper struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	addr  string // where it listens
	rest  string // of its first line
}

// startHelper starts a helper in the calling thread's network namespace.
func startHelper(t *testing.T, mode, addr, name string) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperMode+"="+mode, helperAddr+"="+addr, fmt.Sprintf("%s=%x", helperName, name))
	return startHelperCommand(t, cmd)
}

// startHelperWith starts a helper that gets files from fd 3 on.
func startHelperWith(t *testing.T, mode string, files ...*os.File) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperMode+"="+mode)
	cmd.ExtraFiles = files
	return startHelperCommand(t, cmd)
}

func startHelperCommand(t *testing.T, cmd *exec.Cmd) *helper {
	t.Helper()
	h := &helper{t: t, cmd: cmd}
	h.cmd.Stderr = os.Stderr
	var err error
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.lines = bufio.NewScanner(out)
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.stop)
	h.addr, h.rest, _ = strings.Cut(h.next(), " ")
	return h
}

// next returns its next line.
func (h *helper) next() string {
	h.t.Helper()
	if !h.lines.Scan() {
		h.t.Fatalf("the helper ended: %v", h.lines.Err())
	}
	return h.lines.Text()
}

func (h *helper) pid() uint32 { return uint32(h.cmd.Process.Pid) }

func (h *helper) stop() {
	_ = h.stdin.Close() // twice is no error here
	for h.lines.Scan() {
	}
	if err := h.cmd.Wait(); err != nil && h.cmd.ProcessState == nil {
		h.t.Errorf("helper: %v", err)
	}
}

// newNetns makes a network namespace whose ports are not those of others, for
// the witness: the default range ends below, kerneltest's tests use lower ones,
// and another process that runs these tests hardly uses the same.
func newNetns(t *testing.T) *kerneltest.Netns {
	t.Helper()
	ns := kerneltest.NewNetns(t)
	const ports = 900
	first := 61000 + pidOfTest%5*ports
	ns.Sysctl("net/ipv4/ip_local_port_range", fmt.Sprint(first, " ", first+ports-1))
	return ns
}

// pidOfTest is this process.
var pidOfTest = os.Getpid()

// inNetns runs f in a namespace and returns what it returns.
func inNetns[T any](ns *kerneltest.Netns, f func() T) (v T) {
	ns.Do(func() { v = f() })
	return v
}
