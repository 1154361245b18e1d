package kerneltest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tracefs is where the kernel's tracing files are. Where nobody has mounted
// them, the first witness does, and leaves them mounted: others may use them by
// the time it ends.
const tracefs = "/sys/kernel/tracing"

// instance is a private set of trace buffers, a directory of tracefs.
type instance string

// newInstance makes an instance that is removed when the test ends.
func newInstance(t testing.TB) instance {
	t.Helper()
	if err := mountTracefs(); err != nil {
		skip(t, fmt.Sprintf("needs tracefs at %s: %v", tracefs, err))
	}
	dir, err := makeInstanceDir()
	if err != nil {
		t.Fatalf("make trace instance: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Errorf("remove trace instance: %v", err)
		}
	})
	return instance(dir)
}

// mountTracefs mounts tracefs unless it is there.
func mountTracefs() error {
	if _, err := os.Stat(filepath.Join(tracefs, "instances")); err == nil {
		return nil
	}
	return unix.Mount("tracefs", tracefs, "tracefs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// maxInstances bounds how many instances one process may have.
const maxInstances = 1000

// makeInstanceDir makes instances/tcpwatch-<pid namespace>-<pid>-<n>, after
// removing those of processes that ended without doing so.
func makeInstanceDir() (string, error) {
	ns, err := os.Readlink("/proc/self/ns/pid") // pid:[4026531836]
	if err != nil {
		return "", err
	}
	prefix := "tcpwatch-" + strings.Trim(ns, "pid:[]") + "-"
	sweepInstances(prefix)
	for n := range maxInstances {
		dir := filepath.Join(tracefs, "instances", fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), n))
		if err := os.Mkdir(dir, 0o700); !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
	return "", fmt.Errorf("%d of them exist", maxInstances)
}

// sweepInstances removes the instances of processes that are gone: a killed
// test cannot, and the buffers hold memory. The prefix names this pid
// namespace, as the numbers of another mean other processes.
func sweepInstances(prefix string) {
	dirs, _ := filepath.Glob(filepath.Join(tracefs, "instances", prefix+"*"))
	for _, dir := range dirs {
		if pid, _, _ := strings.Cut(filepath.Base(dir)[len(prefix):], "-"); gone(pid) {
			_ = os.Remove(dir) // another process may be sweeping too
		}
	}
}

// set writes value to a file of the instance. Some of the files answer with
// EBUSY or EINTR now and then (buffer_size_kb while it is being resized).
func (i instance) set(file, value string) error {
	if err := os.WriteFile(filepath.Join(string(i), file), []byte(value), 0); err != nil {
		return fmt.Errorf("write %q: %w", value, err)
	}
	return nil
}

// cpus returns the per-processor directories, in the order of their numbers or
// not.
func (i instance) cpus() ([]string, error) {
	dirs, err := filepath.Glob(filepath.Join(string(i), "per_cpu", "cpu*"))
	if err == nil && len(dirs) == 0 {
		err = errors.New("no per-processor buffers")
	}
	return dirs, err
}

// totalBufferKB bounds the memory of the buffers that are sized by default.
const totalBufferKB = 256 << 10

// defaultBufferKB is the buffer per processor where a test does not choose.
func defaultBufferKB() int { return min(16<<10, totalBufferKB/runtime.NumCPU()) }
