package kerneltest

import (
	"testing"
	"time"
)

// poll is how often a condition is asked: often enough to cost a test little,
// seldom enough to leave the processor to what it waits for.
const poll = 2 * time.Millisecond

// Eventually waits until cond is true. It fails the test after timeout, saying
// what did not come.
func Eventually(t testing.TB, timeout time.Duration, cond func() bool, what string) {
	t.Helper()
	if !await(timeout, cond) {
		t.Fatalf("waited %v in vain: %s", timeout, what)
	}
}

// AwaitNoError waits until try returns nil. It fails the test with the last
// error after timeout.
func AwaitNoError(t testing.TB, timeout time.Duration, try func() error, what string) {
	t.Helper()
	var err error
	if !await(timeout, func() bool { err = try(); return err == nil }) {
		t.Fatalf("waited %v in vain: %s: %v", timeout, what, err)
	}
}

// await asks cond until it is true or timeout has passed, and once more then:
// a busy machine may not have let it ask for long.
func await(timeout time.Duration, cond func() bool) bool {
	deadline := time.Now().Add(timeout)
	for time.Now().Before(deadline) {
		if cond() {
			return true
		}
		time.Sleep(poll)
	}
	return cond()
}
