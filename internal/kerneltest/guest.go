package kerneltest

import (
	"os"
	"time"
)

// guestSeries is set by the runner of other kernels to the series that runs.
const guestSeries = "VMRUN"

// slowdown is how much slower an emulated guest makes connections: 400 to 600
// in a second.
const slowdown = 80

// Guest returns the series of kernel that the test runs on as a guest, or "".
func Guest() string { return os.Getenv(guestSeries) }

// Load returns how many connections a test of load makes: n, or what takes as
// long in an emulated guest, at least 50.
func Load(n int) int {
	if Guest() == "" {
		return n
	}
	return min(n, max(n/slowdown, 50))
}

// Few returns all variants of a test, or in an emulated guest the first of them:
// for variants that differ on no kernel.
func Few[T any](variants ...T) []T {
	if Guest() == "" {
		return variants
	}
	return variants[:1]
}

// Within scales a bound on time to where the test runs.
func Within(d time.Duration) time.Duration {
	if Guest() == "" {
		return d
	}
	return 20 * d
}
