package kerneltest

import (
	"errors"
	"os"
	"testing"
	"time"
)

// failures is a testing.TB that notes failures in place of failing.
type failures struct {
	testing.TB
	cleanups []func()
	fatal    int
}

// errFatal is what failures panics with, as testing.T ends its goroutine.
var errFatal = errors.New("fatal")

func (f *failures) Helper()           {}
func (f *failures) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }
func (f *failures) Fatalf(string, ...any) {
	f.fatal++
	panic(errFatal)
}

func (f *failures) run(fn func()) {
	defer func() {
		if r := recover(); r != nil && r != errFatal {
			panic(r)
		}
	}()
	fn()
}

func TestExtraFDsAreNamed(t *testing.T) {
	before := OpenFDs(t)
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if err := extraFDs(before, OpenFDs(t)); err == nil {
		t.Error("an open file was not noticed")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := extraFDs(before, OpenFDs(t)); err != nil {
		t.Error(err)
	}
}

func TestLeakCheckWaitsForWhatEndsLate(t *testing.T) {
	fake := &failures{TB: t}
	LeakCheck(fake)
	release := make(chan struct{})
	go func() { <-release }()
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	for _, fn := range fake.cleanups {
		fake.run(fn)
	}
	if fake.fatal != 0 {
		t.Error("failed though the goroutine ended")
	}
}

func TestLeakCheckFailsOnAGoroutine(t *testing.T) {
	fake := &failures{TB: t}
	LeakCheck(fake)
	release := make(chan struct{})
	defer close(release)
	go func() { <-release }()
	for _, fn := range fake.cleanups {
		fake.run(fn)
	}
	if fake.fatal != 1 {
		t.Errorf("failed %d times, want 1", fake.fatal)
	}
}

func TestEventually(t *testing.T) {
	calls := 0
	Eventually(t, patience, func() bool { calls++; return calls == 3 }, "three calls")
	fake := &failures{TB: t}
	fake.run(func() { Eventually(fake, 0, func() bool { return false }, "never") })
	fake.run(func() { AwaitNoError(fake, 0, func() error { return errFatal }, "never") })
	if calls != 3 || fake.fatal != 2 {
		t.Errorf("%d calls, %d failures", calls, fake.fatal)
	}
}
