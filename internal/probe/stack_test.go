package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

//go:noinline
func connectHere(t *testing.T, to net.Addr) net.Conn {
	c, err := net.DialTCP("tcp", nil, to.(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

//go:noinline
func acceptHere(t *testing.T, l net.Listener) net.Conn {
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Each end has the stack of the function that made it the program's own, and the
// accepted one its process, exactly.
func TestStacks(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for name, listen := range map[string]func(*testing.T) net.Listener{
		"TCP":   func(t *testing.T) net.Listener { return kerneltest.Listen(t, kerneltest.IPv4) },
		"MPTCP": func(t *testing.T) net.Listener { requireMPTCP(t); return listenMPTCP(t) },
	} {
		t.Run(name, func(t *testing.T) {
			ns := roomy(t)
			p := load(t, Options{Stacks: true})
			f := follow(t, p, discard{})
			<-f.found
			var port uint16
			ns.Do(func() {
				l := listen(t)
				port = uint16(l.Addr().(*net.TCPAddr).Port)
				connectHere(t, l.Addr())
				acceptHere(t, l)
			})
			f.stop(t)
			want := map[model.Role]string{model.RoleActive: ".connectHere", model.RolePassive: ".acceptHere"}
			if !p.readsMemory {
				delete(want, model.RolePassive) // which p.Losses says
			}
			for _, row := range f.table.Rows(nil) {
				s, _ := f.table.Socket(&row)
				if s.Netns != ns.Inum() || s.State != model.Established || s.Lport != port && s.Rport != port {
					continue
				}
				function, ok := want[s.Role]
				if !ok {
					continue
				}
				delete(want, s.Role)
				if got := functionsOn(t, p, s.Stack); !strings.Contains(got, function+"\n") {
					t.Errorf("%v: stack %d:\n%swant %s", s.Role, s.Stack, got, function)
				}
				if s.Owner.Provenance != events.ProvenanceExact {
					t.Errorf("%v: owner %+v", s.Role, s.Owner)
				}
			}
			if len(want) > 0 {
				t.Errorf("not seen: %v", want)
			}
		})
	}
}

type discard struct{}

func (discard) Observe(*track.Observation) {}

// functionsOn names the functions of this program on a stack, one on each line.
func functionsOn(t *testing.T, p *Probe, stack uint32) string {
	t.Helper()
	addresses, err := p.Stack(stack)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	pcs := make([]uintptr, 0, len(addresses))
	for _, a := range addresses {
		pcs = append(pcs, uintptr(a))
	}
	frames := runtime.CallersFrames(pcs) // those inlined, too
	for more := len(pcs) > 0; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		b.WriteString(frame.Function + "\n")
	}
	return b.String()
}

// Nobody who does not ask for stacks pays for them.
func TestStacksAreOnRequest(t *testing.T) {
	kerneltest.RequireRoot(t)
	p := load(t, Options{})
	for _, hook := range p.Attached() {
		if hook == "sys_exit" {
			t.Error("the end of every system call is watched")
		}
	}
}

// A socket in SYN_SENT tells when connect() sent its first SYN, though nobody
// watched, and though SYNs were sent again.
func TestSinceSYN(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := roomy(t)
	ns.Sysctl("net/ipv4/tcp_syncookies", "0")
	var client int
	began, sent := uint64(0), uint64(0)
	ns.Do(func() { client, began, sent = connectUnanswered(t) })
	local, err := unix.Getsockname(client)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(local.(*unix.SockaddrInet4).Port)
	time.Sleep(1500 * time.Millisecond) // one SYN is sent again after a second
	p := load(t, Options{InventoryOnly: true})
	ns.Named("tcpwatch-since-syn")
	snapshot := p.Snapshot(context.Background())
	defer snapshot.Close()
	for {
		var ev events.Event
		if err := snapshot.Next(&ev); errors.Is(err, io.EOF) {
			t.Fatal("no row of the socket")
		} else if err != nil {
			t.Fatal(err)
		}
		if ev.Kind != events.Inventory || ev.Netns != ns.Inum() || ev.Lport != port || ev.To != model.SynSent {
			continue
		}
		const tick = uint64(20e6)
		first := ev.Time - uint64(ev.SinceSYN())
		if ev.SinceSYN() < 0 || first+tick < began || first > sent+tick {
			t.Errorf("the first SYN went %v ago; that is %v after connect() began, which took %v",
				time.Duration(ev.SinceSYN()), time.Duration(first-began), time.Duration(sent-began))
		}
		if ev.Retransmits == 0 {
			t.Error("no SYN was sent again")
		}
		return
	}
}

// connectUnanswered begins a connect() that nobody answers, as the accept queue of
// the listener is full, and returns its socket and between which times, in ns
// since boot, the SYN went.
func connectUnanswered(t *testing.T) (fd int, began, sent uint64) {
	t.Helper()
	l := tcpSocket(t)
	addr := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(unix.Bind(l, addr), unix.Listen(l, 0)); err != nil {
		t.Fatal(err)
	}
	to, err := unix.Getsockname(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(tcpSocket(t), to); err != nil {
		t.Fatal(err)
	}
	fd = tcpSocket(t)
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	began = now()
	err = unix.Connect(fd, to)
	sent = now()
	if !errors.Is(err, unix.EINPROGRESS) {
		t.Fatalf("connect to a full listener: %v", err)
	}
	return fd, began, sent
}

func tcpSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}
