package kerneltest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// ownNetns is the network namespace of the calling thread. /proc/self/ns/net
// would be that of the process's first thread.
const ownNetns = "/proc/thread-self/ns/net"

// namedDir is where iproute2 keeps namespaces that have names.
const namedDir = "/run/netns"

// Netns is a network namespace of its own, with the loopback interface up.
type Netns struct {
	t    testing.TB
	file *os.File // refers to the namespace, and keeps it alive
	inum uint32
}

// NewNetns makes a network namespace that ends with the test. The calling
// goroutine stays in its own.
func NewNetns(t testing.TB) *Netns {
	t.Helper()
	RequireRoot(t)
	n := &Netns{t: t}
	if err := inOtherNetns(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, n.init); err != nil {
		t.Fatalf("make network namespace: %v", err)
	}
	t.Cleanup(func() { _ = n.file.Close() }) // closing again what a test closed is no error here
	return n
}

// init fills n from the namespace of the calling thread.
func (n *Netns) init() error {
	file, err := os.Open(ownNetns)
	if err != nil {
		return err
	}
	n.file = file
	n.inum, err = netnsInum(file)
	if err != nil {
		return err
	}
	return setUp("lo")
}

// Inum returns the inode number, by which lsns names the namespace.
func (n *Netns) Inum() uint32 { return n.inum }

// File refers to the namespace, for a process to be started with.
func (n *Netns) File() *os.File { return n.file }

// Do runs f inside the namespace, on the calling goroutine. Sockets that f
// makes stay in it. Goroutines that f starts do not run in it: they must call
// Do themselves.
func (n *Netns) Do(f func()) {
	n.t.Helper()
	err := inOtherNetns(func() error { return enter(n.file) }, func() error { f(); return nil })
	if err != nil {
		n.t.Fatalf("run inside network namespace %d: %v", n.inum, err)
	}
}

// Sysctl sets a parameter of the namespace, such as net/ipv4/tcp_fin_timeout.
func (n *Netns) Sysctl(name, value string) {
	n.t.Helper()
	var err error
	n.Do(func() { err = os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0) })
	if err != nil {
		n.t.Fatalf("set sysctl: %v", err)
	}
}

// Up sets an interface of the namespace up and gives it addresses with the
// lengths of their prefixes: 10.98.0.1/16.
func (n *Netns) Up(name string, prefixes ...string) {
	n.t.Helper()
	var err error
	n.Do(func() { err = configure(name, prefixes...) })
	if err != nil {
		n.t.Fatalf("configure %s: %v", name, err)
	}
}

// Named gives the namespace a name in /run/netns, as `ip netns add` does, until
// the test ends, and returns the path.
func (n *Netns) Named(name string) string {
	n.t.Helper()
	path := filepath.Join(namedDir, name)
	if err := n.bind(path); err != nil {
		n.t.Fatalf("name network namespace %s: %v", name, err)
	}
	return path
}

func (n *Netns) bind(path string) error {
	if err := os.MkdirAll(namedDir, 0o755); err != nil {
		return err
	}
	mountPoint, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	n.t.Cleanup(func() { _ = os.Remove(path) }) // fails only if somebody was faster
	if err := mountPoint.Close(); err != nil {
		return err
	}
	from := fmt.Sprintf("/proc/self/fd/%d", n.file.Fd())
	if err := unix.Mount(from, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	n.t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
	return nil
}

// inOtherNetns moves the calling thread to another network namespace by move,
// runs f there, also if it ends the goroutine, and moves back. A thread that
// cannot be moved back stays locked to its goroutine and dies with it.
func inOtherNetns(move, f func() error) (err error) {
	runtime.LockOSThread()
	home, err := os.Open(ownNetns)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		back := enter(home)
		if back == nil {
			runtime.UnlockOSThread()
		} else if err == nil {
			err = fmt.Errorf("return: %w", back)
		}
		_ = home.Close() // opened for reading only
	}()
	if err := move(); err != nil {
		return err
	}
	return f()
}

// enter moves the calling thread, which must be locked, to a namespace.
func enter(netns *os.File) error {
	if err := unix.Setns(int(netns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("setns: %w", err)
	}
	return nil
}

// netnsInum returns the inode number of an open namespace.
func netnsInum(netns *os.File) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(netns.Fd()), &st); err != nil {
		return 0, err
	}
	return uint32(st.Ino), nil
}
