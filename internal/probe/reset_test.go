package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/model"
)

// Who resets, who is reset, and what the kernel says why. A reset that no socket
// sends is none of a socket's events, and harms nothing.
func TestResets(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			ns := roomy(t)
			p := load(t, Options{NoInventory: true})
			b := openBooks(t, p)
			r := recording{}
			f := follow(t, p, r)
			port := closeUnread(t, ns, family)
			closed := refused(t, ns, family)
			b.check(t)
			f.stop(t)
			checkDelivered(t, p, f.live.Delivered())

			sent := r.of(ns.Inum(), events.ResetSent)
			if len(sent) != 1 || sent[0].Lport != port || !sent[0].Has(model.ActiveReset) || sent[0].To == model.Established {
				t.Fatalf("resets sent %+v, want one, active, from port %d", sent, port)
			}
			if got, want := reasonOf(p, sent[0].Event), wantReason(t); got != want {
				t.Errorf("the reason is %q, want %q", got, want)
			}
			received := map[uint16]model.State{} // by the remote port
			for _, e := range r.of(ns.Inum(), events.ResetReceived) {
				received[e.Rport] = e.To
			}
			if len(received) != 2 || received[port] != model.Established || received[closed] != model.SynSent {
				t.Errorf("resets received %v, want %d in ESTABLISHED, %d in SYN_SENT", received, port, closed)
			}
		})
	}
}

// closeUnread makes a connection whose server closes with unread data, and
// returns the server's port.
func closeUnread(t *testing.T, ns *kerneltest.Netns, family kerneltest.Family) uint16 {
	t.Helper()
	var client, server *net.TCPConn
	ns.Do(func() { client, server = kerneltest.Pair(t, family) })
	_, err := client.Write([]byte("unread"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := server.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	kerneltest.Eventually(t, patience, func() bool {
		waiting := 0
		if err := raw.Control(func(fd uintptr) { waiting, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) }); err != nil {
			t.Fatal(err)
		}
		return waiting > 0
	}, "unread data")
	port, _ := kerneltest.Ports(server)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Fatalf("read: %v, want a reset", err)
	}
	return port
}

// refused connects to a port where nobody listens, and returns it.
func refused(t *testing.T, ns *kerneltest.Netns, family kerneltest.Family) (port uint16) {
	t.Helper()
	ns.Do(func() {
		l := kerneltest.Listen(t, family)
		port = uint16(l.Addr().(*net.TCPAddr).Port)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, unix.ECONNREFUSED) {
			t.Fatalf("connect: %v, want a refusal", err)
		}
	})
	return port
}

func reasonOf(p *Probe, ev events.Event) string {
	if reason, ok := ev.ResetReason(); ok {
		return p.Features.ResetReasonName(reason)
	}
	return ""
}

// wantReason is why close with unread data resets: kernels have reasons from
// 6.10 on, and this one from 6.12 on. What a kernel has, its own types tell.
func wantReason(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"TCP_ABORT_ON_CLOSE", "NOT_SPECIFIED"} {
		if kerneltest.HasEnumerator(t, "sk_rst_reason", "SK_RST_REASON_"+name) {
			return name
		}
	}
	return ""
}
