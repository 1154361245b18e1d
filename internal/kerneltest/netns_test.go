package kerneltest

import (
	"context"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNamespacesIsolate(t *testing.T) {
	RequireRoot(t)
	LeakCheck(t)
	a, b := NewNetns(t), NewNetns(t)
	if a.Inum() == b.Inum() || a.Inum() == ownInum(t) {
		t.Fatalf("namespaces %d and %d inside %d", a.Inum(), b.Inum(), ownInum(t))
	}
	var here *net.TCPListener
	a.Do(func() {
		if ownInum(t) != a.Inum() {
			t.Error("Do does not run inside")
		}
		here = Listen(t, IPv4)
	})
	addr := here.Addr().String()
	dial := func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	b.Do(func() {
		if err := dial(); err == nil {
			t.Error("connected from one namespace to another")
		}
	})
	a.Do(func() {
		if err := dial(); err != nil {
			t.Errorf("connect inside the namespace: %v", err)
		}
	})
	if ownInum(t) == a.Inum() || ownInum(t) == b.Inum() {
		t.Error("Do did not return home")
	}
}

func TestVethJoinsNamespaces(t *testing.T) {
	RequireRoot(t)
	LeakCheck(t)
	a, b := NewNetns(t), NewNetns(t)
	Veth(t, a, b)
	for _, host := range []string{"10.99.0.2", "fd99::2"} {
		var l net.Listener
		var err error
		b.Do(func() {
			l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(host, "0"))
		})
		if err != nil {
			t.Fatal(err)
		}
		var c net.Conn
		a.Do(func() { c, err = net.DialTimeout("tcp", l.Addr().String(), patience) })
		if err != nil {
			t.Fatalf("connect over the pair: %v", err)
		}
		for _, closer := range []io.Closer{c, l} {
			if err := closer.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestNamedNamespace(t *testing.T) {
	RequireRoot(t)
	n := NewNetns(t)
	path := n.Named("tcpwatch-test")
	t.Run("exists", func(t *testing.T) {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || uint32(st.Ino) != n.Inum() {
			t.Errorf("%s is inode %d (%v), want %d", path, st.Ino, err, n.Inum())
		}
	})
	t.Cleanup(func() {}) // Named's own cleanups run after this one
}

func ownInum(t *testing.T) uint32 {
	t.Helper()
	f, err := os.Open(ownNetns)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	n, err := netnsInum(f)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
