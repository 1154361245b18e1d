package tunpeer

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// TestManyForgedAddresses: one listener, a SYN from each of many addresses that
// nobody has, and an answer to each of them.
func TestManyForgedAddresses(t *testing.T) {
	kerneltest.LeakCheck(t)
	p := New(t, kerneltest.NewNetns(t))
	for _, f := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		t.Run(fmt.Sprintf("IPv%d", f), func(t *testing.T) {
			c := p.Conn(f)
			if err := c.endpoint.listen(); err != nil {
				t.Fatal(err)
			}
			waiting := make(map[netip.AddrPort]uint32)
			for n := range backlog { // more would be answered by cookies or not at all
				s := c.segment(SYN)
				s.Src = netip.AddrPortFrom(p.ForgedAddr(f, 100+n), uint16(1000+n))
				s.Seq = uint32(n) << 28
				waiting[s.Src] = s.Seq + 1
				if err := p.Send(s); err != nil {
					t.Fatal(err)
				}
			}
			answered := func() bool {
				for _, e := range p.Log() {
					if want, ok := waiting[e.Segment.Dst]; e.FromKernel && ok && e.Segment.Ack == want && e.Segment.Flags == SYN|ACK {
						delete(waiting, e.Segment.Dst)
					}
				}
				return len(waiting) == 0
			}
			kerneltest.Eventually(t, patience, answered, "a SYN-ACK to each forged address")
		})
	}
	if stats := p.Stats(); stats.Malformed != 0 || stats.Forgotten != 0 || stats.Segments < 4*backlog {
		t.Errorf("%+v", stats)
	}
}

// TestOneConnectionAfterAnother: connections of a peer do not see each other's
// segments.
func TestOneConnectionAfterAnother(t *testing.T) {
	kerneltest.LeakCheck(t)
	p := New(t, kerneltest.NewNetns(t))
	open, err := Parse("open", handshake)
	if err != nil {
		t.Fatal(err)
	}
	talk, err := Parse("talk", "kernel write \"hello\"\nexpect data \"hello\"\nack\nkernel close\nexpect fin\nack\nstate FIN_WAIT2")
	if err != nil {
		t.Fatal(err)
	}
	conns := []*Conn{p.Conn(kerneltest.IPv4), p.Conn(kerneltest.IPv6), p.Conn(kerneltest.IPv4)}
	for _, script := range []*Script{open, talk} {
		for _, c := range conns {
			if err := c.Run(script); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSendRefuses(t *testing.T) {
	p := New(t, kerneltest.NewNetns(t))
	if err := p.Send(Segment{}); err == nil {
		t.Error("no error for a segment without addresses")
	}
	if err := p.SendUnreachable(UnreachablePort, Segment{}); err == nil {
		t.Error("no error for a quotation without addresses")
	}
	if n := p.Stats().Segments; n != 0 {
		t.Errorf("%d segments logged", n)
	}
}
