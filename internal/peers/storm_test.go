package peers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// flapper is a socket that begins and stops to listen: two transitions for two
// system calls, and nothing else in the kernel.
type flapper struct{ fd int }

func newFlapper() (*flapper, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, err
	}
	return &flapper{fd}, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

// flap makes two transitions.
func (f *flapper) flap() error {
	if err := unix.Listen(f.fd, 1); err != nil {
		return err
	}
	unspecified := unix.RawSockaddrInet4{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(f.fd), uintptr(unsafe.Pointer(&unspecified)), unsafe.Sizeof(unspecified))
	if errno != 0 {
		return errno
	}
	return nil
}

// storm makes transitions at a rate, from as many threads, for a while, and returns
// how many it made.
func storm(b *testing.B, perSecond, threads int, d time.Duration) (made int) {
	b.Helper()
	type result struct {
		made int
		err  error
	}
	results := make(chan result, threads)
	for range threads {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var r result
			r.made, r.err = flapAt(perSecond/threads, d)
			results <- r
		}()
	}
	for range threads {
		r := <-results
		if r.err != nil {
			b.Fatalf("storm: %v", r.err)
		}
		made += r.made
	}
	return made
}

// flapAt keeps a rate over each millisecond, as far as it can.
func flapAt(perSecond int, d time.Duration) (made int, err error) {
	f, err := newFlapper()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unix.Close(f.fd)) }()
	begun := time.Now()
	for {
		elapsed := time.Since(begun)
		if elapsed >= d {
			return made, nil
		}
		for due := int(elapsed.Seconds() * float64(perSecond)); made < due; made += 2 {
			if err := f.flap(); err != nil {
				return made, err
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// storms tells what is lost, and what a million events cost, with nothing printed.
func storms(b *testing.B, g *goals, d time.Duration) {
	const aim = 250_000
	binary := kerneltest.BuildTcpwatch(b)
	w := watching(b, binary, os.DevNull, "trace", "-v", "--state", "BOUND_INACTIVE")
	made := storm(b, aim, 2, d)
	u := w.stop(b)
	rate := float64(made) / d.Seconds()
	g.least(fmt.Sprintf("transitions per second for %v", d), "%.0f", rate, aim*0.97, "two threads that begin and stop to listen")
	g.most("lost in the ring meanwhile", "%.0f", float64(u.ringFull), 0, fmt.Sprintf("%d fired, default settings", u.fired))
	if d >= 10*time.Second { // a short while says nothing
		g.most("nested and missed, of a million", "%.2f", float64(u.nested)/float64(u.fired)*1e6, 1)
	}
	g.most("processor seconds per million events, tracking and judging", "%.2f", u.cpu.Seconds()/float64(u.fired)*1e6, 0.6, "at that rate")

	file := filepath.Join(b.TempDir(), "events.jsonl")
	w = watching(b, binary, file, "trace", "-v", "-o", "jsonl")
	storm(b, aim/5, 2, d/3)
	u = w.stop(b)
	g.most("the same with -o jsonl to a file", "%.2f", u.cpu.Seconds()/float64(u.fired)*1e6, 1.5, fmt.Sprintf("at %d a second; lost: %d", aim/5, u.ringFull+u.nested))
}
