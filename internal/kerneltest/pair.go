package kerneltest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// Family chooses between the two kinds of loopback.
type Family int

// The families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Loopback returns the family's loopback address.
func (f Family) Loopback() netip.Addr {
	if f == IPv6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// Listen returns a TCP listener (never MPTCP) on a free port of the loopback
// address, in the calling thread's network namespace. It is closed when the
// test ends.
func Listen(t testing.TB, f Family) *net.TCPListener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", netip.AddrPortFrom(f.Loopback(), 0).String())
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the test may have closed it
	return l.(*net.TCPListener)
}

// Pair returns both ends of one established TCP connection over loopback. Its
// listener is closed before Pair returns, the ends when the test ends.
func Pair(t testing.TB, f Family) (client, server *net.TCPConn) {
	t.Helper()
	l := Listen(t, f)
	client, server, err := connect(l)
	if err != nil {
		t.Fatalf("make connection: %v", err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	if err := l.Close(); err != nil {
		t.Fatalf("close listener: %v", err)
	}
	return client, server
}

// connectLimit bounds how long connecting over loopback may take.
const connectLimit = 30 * time.Second

func connect(l *net.TCPListener) (client, server *net.TCPConn, err error) {
	d := net.Dialer{Timeout: connectLimit}
	d.SetMultipathTCP(false)
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	if err := l.SetDeadline(time.Now().Add(connectLimit)); err != nil {
		_ = c.Close()
		return nil, nil, err
	}
	server, err = l.AcceptTCP()
	if err != nil {
		_ = c.Close()
		return nil, nil, fmt.Errorf("accept: %w", err)
	}
	return c.(*net.TCPConn), server, nil
}

// Ports returns the ports of a connection's two ends.
func Ports(c *net.TCPConn) (local, remote uint16) {
	return c.LocalAddr().(*net.TCPAddr).AddrPort().Port(), c.RemoteAddr().(*net.TCPAddr).AddrPort().Port()
}
