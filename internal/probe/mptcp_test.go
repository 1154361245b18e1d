package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/model"
)

// A subflow's row names the socket above it, under which the holder of its fd is
// told of too.
func TestSubflowsNameTheSocketAbove(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	requireMPTCP(t)
	ns := roomy(t)
	ns.Do(func() {
		l := listenMPTCP(t)
		var d net.Dialer
		d.SetMultipathTCP(true)
		c, err := d.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
	})
	ns.Named("tcpwatch-above")
	p := load(t, Options{InventoryOnly: true})
	snapshot := p.Snapshot(context.Background())
	defer snapshot.Close()
	above, rows, listeners := map[uint64]int{}, 0, 0
	for {
		var ev events.Event
		err := snapshot.Next(&ev)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Netns != ns.Inum() || !ev.Has(model.MPTCP) {
			continue
		}
		switch {
		case ev.Kind == events.Holder && ev.Subflows():
			above[ev.SK]++
		case ev.Kind == events.Holder && ev.To == model.Listen:
			listeners++
		case ev.Kind == events.Inventory && ev.To == model.Established:
			rows++
			if above[ev.Above()] != 1 {
				t.Errorf("the socket above, %#x, has %d holders, want 1", ev.Above(), above[ev.Above()])
			}
		}
	}
	if rows != 2 || len(above) != 3 || listeners != 1 {
		t.Errorf("%d subflows, %d sockets above, %d listeners: want 2, 3 and 1", rows, len(above), listeners)
	}
}

func requireMPTCP(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		kerneltest.SkipProved(t, "this kernel has no MPTCP", err)
	}
	_ = unix.Close(fd)
}

func listenMPTCP(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	l, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
