package kerneltest

import (
	"os"
	"os/exec"
	"testing"
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

// skip skips the test, or fails it where kernel tests are required. The reason
// is one line.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(RequireKernel) == "1" {
		t.Fatalf("%s=1, but this test %s", RequireKernel, reason)
	}
	t.Skip(reason)
}
