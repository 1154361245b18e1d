package kerneltest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// RequireKernel is the environment variable which, set to 1, turns every skip
// of this package into a failure: a continuous integration run that silently
// skips its kernel tests tests nothing.
const RequireKernel = "TCPWATCH_REQUIRE_KERNEL"

// RequireRoot skips the test unless it runs as root.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root: CAP_SYS_ADMIN to trace the kernel and to make network namespaces")
	}
}

// SkipProved skips the test for a reason that the caller has proved by trying,
// even where kernel tests are required: on a kernel that has what is missing the
// test must fail. The proof is what the attempt said.
func SkipProved(t testing.TB, reason string, proof error) {
	t.Helper()
	if proof == nil {
		t.Fatalf("skipping because %s, without a proof", reason)
	}
	t.Skipf("%s: %v", reason, proof)
}

// NeedProgram skips the test unless a program is installed, or fails it where
// kernel tests are required.
func NeedProgram(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, "needs the program "+name+": "+err.Error())
	}
}

// NeedPackage is NeedProgram of a program that comes with a package of Debian's.
func NeedPackage(t testing.TB, name, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, "needs the program "+name+": apt-get install "+pkg)
	}
}

// TunDevice is where TUN interfaces are made.
const TunDevice = "/dev/net/tun"

// RequireTun skips the test unless it can open the TUN device. It makes the
// device's node where that is missing, as in a guest without udev.
func RequireTun(t testing.TB) {
	t.Helper()
	RequireRoot(t)
	if err := openTun(); err != nil {
		skip(t, fmt.Sprintf("needs %s: %v", TunDevice, err))
	}
}

func openTun() error {
	f, err := os.OpenFile(TunDevice, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeTun(); err != nil {
			return err
		}
		f, err = os.OpenFile(TunDevice, os.O_RDWR, 0)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// makeTun makes the node: character device 10, 200 (admin-guide/devices.txt).
func makeTun() error {
	if err := os.MkdirAll(filepath.Dir(TunDevice), 0o755); err != nil {
		return err
	}
	err := unix.Mknod(TunDevice, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200)))
	if errors.Is(err, fs.ErrExist) {
		return nil // another test was faster
	}
	return err
}

// skip skips the test, or fails it where kernel tests are required. The reason
// is one line.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(RequireKernel) == "1" {
		t.Fatalf("%s=1, but this test %s", RequireKernel, reason)
	}
	t.Skip(reason)
}
