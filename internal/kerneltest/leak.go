package kerneltest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakPatience is how long goroutines and file descriptors may take to go away
// after a test.
const leakPatience = 5 * time.Second

// LeakCheck fails the test if, after it and the cleanups registered later, it
// has left goroutines or file descriptors behind which were not there when
// LeakCheck was called. Call it first, and not in parallel tests: it cannot
// tell whose a goroutine is.
func LeakCheck(t testing.TB) {
	t.Helper()
	before := OpenFDs(t)
	old := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		AwaitNoError(t, leakPatience, func() error { return goleak.Find(old, goleak.IgnoreTopFunction("os/signal.loop")) }, "no goroutine left behind")
		AwaitNoError(t, leakPatience, func() error { return extraFDs(before, OpenFDs(t)) }, "no file descriptor left behind")
	})
}

// OpenFDs returns what each file descriptor of this process refers to, by its
// number. The runtime's own, which come when first needed and stay, are left
// out.
func OpenFDs(t testing.TB) map[string]string {
	t.Helper()
	const dir = "/proc/self/fd"
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("list file descriptors: %v", err)
	}
	open := make(map[string]string, len(names))
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(dir, name.Name()))
		if err != nil || runtimeFD(target) {
			continue // closed since, as the one that ReadDir used
		}
		open[name.Name()] = target
	}
	return open
}

// runtimeFD reports whether a file descriptor belongs to the network poller.
func runtimeFD(target string) bool {
	return target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]"
}

// extraFDs returns an error that lists what is open after and was not before.
// A number reused for another file counts.
func extraFDs(before, after map[string]string) error {
	extra := ""
	for fd, target := range after {
		if before[fd] != target {
			extra += fmt.Sprintf(" %s->%s", fd, target)
		}
	}
	if extra != "" {
		return fmt.Errorf("still open:%s", extra)
	}
	return nil
}
