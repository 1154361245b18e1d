package kerneltest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// builds names the directories of built binaries, followed by the id of the
// process that made them.
const builds = "tcpwatch-build-"

// Prebuilt is the environment variable that names a tcpwatch built before, for
// where there is no compiler. Every user must be able to execute it.
const Prebuilt = "TCPWATCH_BINARY"

// buildOnce builds the program once per test process.
var buildOnce = sync.OnceValues(buildTcpwatch)

// BuildTcpwatch builds ./cmd/tcpwatch, once per test process, and returns the
// path of the binary. Every user may execute it. It stays until the next test
// process that builds one sweeps it away: no hook runs at the end of a process.
func BuildTcpwatch(t testing.TB) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatalf("build tcpwatch: %v", err)
	}
	return path
}

func buildTcpwatch() (string, error) {
	if path := os.Getenv(Prebuilt); path != "" {
		return path, nil
	}
	sweepBuilds()
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", builds, os.Getpid()))
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // others must reach it; MkdirTemp makes it 0700
		return "", err
	}
	path := filepath.Join(dir, "tcpwatch")
	build := exec.Command("go", "build", "-o", path, "./cmd/tcpwatch")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, os.Chmod(path, 0o755)
}

// moduleRoot returns the directory of go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("not inside a module")
	}
	return filepath.Dir(mod), nil
}

// sweepBuilds removes, as far as it may, what finished processes built.
func sweepBuilds() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), builds+"*"))
	for _, dir := range dirs {
		if pid, _, _ := strings.Cut(filepath.Base(dir)[len(builds):], "-"); gone(pid) {
			_ = os.RemoveAll(dir) // another process may be sweeping it, or another user own it
		}
	}
}
