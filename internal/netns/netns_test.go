package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// find returns the namespace with an inode number, if List knows it.
func find(t *testing.T, inum uint32) (Namespace, bool) {
	t.Helper()
	all, _, err := List()
	if err != nil {
		t.Fatal(err)
	}
	var found []Namespace
	for _, ns := range all {
		if ns.Inum == inum {
			found = append(found, ns)
		}
	}
	if len(found) > 1 {
		t.Fatalf("namespace %d is listed %d times", inum, len(found))
	}
	return append(found, Namespace{})[0], len(found) == 1
}

// checkEnters checks that In runs inside the namespace, and only there.
func checkEnters(t *testing.T, ns Namespace) {
	t.Helper()
	before, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	var inside Namespace
	err = ns.In(func() (err error) { inside, err = Self(); return err })
	if err != nil || inside.Inum != ns.Inum {
		t.Errorf("inside %d I am in %d: %v", ns.Inum, inside.Inum, err)
	}
	if after, err := Self(); err != nil || after.Inum != before.Inum {
		t.Errorf("left behind in %d, was in %d: %v", after.Inum, before.Inum, err)
	}
}

func TestOwnNamespaceIsListed(t *testing.T) {
	own, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := find(t, own.Inum); !ok {
		t.Errorf("namespace %d is not listed", own.Inum)
	}
}

func TestNamedNamespaceIsListed(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	name := fmt.Sprintf("tcpwatch-netns-%d", os.Getpid())
	ns.Named(name)
	got, ok := find(t, ns.Inum())
	if !ok || got.Name != name {
		t.Fatalf("listed %v as %+v, want %s", ok, got, name)
	}
	checkEnters(t, got)
}

// A namespace stays reachable until the last process in it ends, whichever one
// the list found first.
func TestNamespaceOfProcesses(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	made := kerneltest.NewNetns(t)
	var sleepers []*exec.Cmd
	for range 2 {
		c := exec.Command("sleep", "60")
		var err error
		made.Do(func() { err = c.Start() })
		if err != nil {
			t.Fatal(err)
		}
		sleepers = append(sleepers, c)
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() }) // again, for those that the test ended
	}
	ns, ok := find(t, made.Inum())
	if !ok {
		t.Fatalf("namespace %d is not listed", made.Inum())
	}
	checkEnters(t, ns)
	first := sleepers[0]
	if ns.Path != fmt.Sprintf("/proc/%d/ns/net", first.Process.Pid) {
		first = sleepers[1] // pids have wrapped around
	}
	end(t, first)
	checkEnters(t, ns)
	for _, c := range sleepers {
		if c != first {
			end(t, c)
		}
	}
	if err := ns.In(func() error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("entering a namespace without processes: %v, want os.ErrNotExist", err)
	}
}

// The first thread of a process, which cannot end, is never left in another
// namespace: that would keep it alive.
func TestFirstThreadStaysAtHome(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	made := kerneltest.NewNetns(t)
	made.Named(fmt.Sprintf("tcpwatch-first-%d", os.Getpid()))
	ns, ok := find(t, made.Inum())
	if !ok {
		t.Fatal("not listed")
	}
	for range 200 {
		err := ns.In(func() error {
			if unix.Gettid() == unix.Getpid() {
				t.Error("entered by the first thread")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if inum, err := inode("/proc/self/ns/net"); err != nil || inum == made.Inum() {
			t.Fatalf("the process is in namespace %d: %v", inum, err)
		}
	}
}

func end(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
}

// A name of which only the file is there, unmounted or mounted elsewhere, is no
// namespace.
func TestStaleNameIsNotListed(t *testing.T) {
	kerneltest.RequireRoot(t)
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/run/netns/tcpwatch-stale-%d", os.Getpid())
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
	found, _, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range found {
		if ns.Path == path || ns.Name == filepath.Base(path) {
			t.Errorf("listed: %+v", ns)
		}
	}
}
