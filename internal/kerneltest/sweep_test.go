package kerneltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSweepsLeaveTheLiving puts what a killed test leaves behind beside what a
// living one uses.
func TestSweepsLeaveTheLiving(t *testing.T) {
	RequireRoot(t)
	dead := exec.Command("/bin/true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	living := string(newInstance(t))
	name := strings.TrimSuffix(living, "-0")
	prefix := strings.TrimSuffix(filepath.Base(name), fmt.Sprint(os.Getpid()))
	left := map[string]bool{ // and whether it stays
		filepath.Join(tracefs, "instances", fmt.Sprintf("%s%d-0", prefix, dead.Process.Pid)): false,
		filepath.Join(os.TempDir(), fmt.Sprintf("%s%d-1", builds, dead.Process.Pid)):         false,
		filepath.Join(os.TempDir(), fmt.Sprintf("%s%d-1", builds, os.Getpid())):              true,
	}
	for dir := range left {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	left[living] = true
	sweepInstances(prefix)
	sweepBuilds()
	for dir, stays := range left {
		if _, err := os.Stat(dir); (err == nil) != stays {
			t.Errorf("%s: %v, want it to stay: %v", dir, err, stays)
		}
	}
}
