package kerneltest

import (
	"os"
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

// skip skips the test, or fails it where kernel tests are required. The reason
// is one line.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(RequireKernel) == "1" {
		t.Fatalf("%s=1, but this test %s", RequireKernel, reason)
	}
	t.Skip(reason)
}
