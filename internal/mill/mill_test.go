package mill_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/mill"
)

func TestMain(m *testing.M) {
	mill.Main()
	os.Exit(m.Run())
}

// Rooms makes two joined namespaces for a mill.
func rooms(t *testing.T) (a, b *kerneltest.Netns) {
	t.Helper()
	a, b = kerneltest.NewNetns(t), kerneltest.NewNetns(t)
	kerneltest.Veth(t, a, b)
	return a, b
}

// The mill knows what it has: every socket of its picture is held by those that
// it names, and there are all kinds.
func TestPictureIsTrue(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	a, b := rooms(t)
	m := mill.Start(t, a, b, 1)
	seen := map[string]bool{}
	for range 5 {
		p := m.Make(kerneltest.Load(1000))
		for _, s := range p.Sockets {
			seen[s.Kind] = true
			for _, h := range s.Holders {
				cookie, err := cookieAt(h)
				if err != nil || cookie != s.Cookie {
					t.Errorf("%s: fd %d of %d is socket %x, %v; want %x", s.Kind, h.FD, h.PID, cookie, err, s.Cookie)
				}
			}
		}
		if t.Failed() {
			t.FailNow()
		}
		t.Logf("%d made, %v, %d at hand", p.Made, p.Kinds, len(p.Sockets))
	}
	if len(seen) < 10 {
		t.Errorf("only of %v kinds", seen)
	}
}

// cookieAt asks for the cookie of another process's socket.
func cookieAt(h mill.Holder) (uint64, error) {
	process, err := unix.PidfdOpen(h.PID, 0)
	if err != nil {
		return 0, fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(process)
	fd, err := unix.PidfdGetfd(process, h.FD, 0)
	if err != nil {
		return 0, fmt.Errorf("pidfd_getfd: %w", err)
	}
	defer unix.Close(fd)
	return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
}

// It stops when told to, and ends with everything closed.
func TestStops(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	a, b := rooms(t)
	m := mill.Start(t, a, b, 2)
	const endless = 1 << 40
	m.Go(endless)
	m.Stop()
	if p := m.Await(); p.Made >= endless {
		t.Errorf("made %d", p.Made)
	}
	m.Go(endless)
	m.End() // under way
}
