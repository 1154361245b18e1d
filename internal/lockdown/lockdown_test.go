// Package lockdown tests what tcpwatch says on a kernel that is locked down. A
// lockdown lasts until the machine stops: these tests have a guest to
// themselves.
package lockdown

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

const level = "/sys/kernel/security/lockdown"

// lock locks the kernel down until it stops.
func lock(t *testing.T) {
	t.Helper()
	err := unix.Mount("securityfs", "/sys/kernel/security", "securityfs", 0, "")
	if err != nil && !errors.Is(err, unix.EBUSY) {
		t.Fatalf("mount securityfs: %v", err)
	}
	if err := os.WriteFile(level, []byte("confidentiality"), 0); err != nil {
		t.Fatalf("lock down: %v", err)
	}
}

// Kernels of which programs read all that they need through typed pointers are
// watched even when locked down. The others refuse, and tcpwatch says why, and
// what would help.
func TestConfidentiality(t *testing.T) {
	if kerneltest.Guest() == "" {
		t.Skip("locks the kernel down until it stops: only in a guest, by make test-kernels")
	}
	binary := kerneltest.BuildTcpwatch(t)
	if out, err := exec.Command(binary, "doctor").CombinedOutput(); err != nil {
		t.Fatalf("before: %v: %s", err, out)
	}
	lock(t)
	if kerneltest.HasFunc(t, "bpf_get_current_task_btf") {
		checkWatches(t, binary)
	} else {
		checkRefuses(t, binary)
	}
}

func checkWatches(t *testing.T, binary string) {
	t.Helper()
	out, err := exec.Command(binary, "doctor").CombinedOutput()
	if err != nil || strings.Contains(string(out), "lockdown") {
		t.Errorf("doctor: %v: %s", err, out)
	}
	out, err = exec.Command(binary, "demo", "--live").Output()
	if err != nil || !strings.Contains(string(out), "FIN_WAIT1") {
		t.Errorf("demo --live: %v: %s", err, out)
	}
	if out, err := exec.Command(binary, "sockets").CombinedOutput(); err != nil {
		t.Errorf("sockets: %v: %s", err, out)
	}
}

func checkRefuses(t *testing.T, binary string) {
	t.Helper()
	for _, verb := range []string{"doctor", "trace", "sockets"} {
		out, err := exec.Command(binary, verb).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("%s: %v, want exit code 3: %s", verb, err, out)
		}
		for _, want := range []string{"lockdown", "confidentiality", "lockdown=integrity"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s does not say %s: %s", verb, want, out)
			}
		}
	}
}
