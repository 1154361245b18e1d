package e2e

import (
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Segments that do not arrive are sent again, and each is told of as what it
// is, the first of its kind with count 1.
func TestRetransmitsAreTold(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)
	first := func(t *testing.T, kind, state string, lport, rport uint16) {
		t.Helper()
		l := r.await(t, func(l *line) bool {
			return l.Event == "retransmit" && l.Kind == kind && l.Lport == lport && l.Rport == rport
		}, "a retransmit of "+kind)
		if l.Count != 1 || l.State != state {
			t.Errorf("the first %s has count %d in state %s, want 1 in %s", kind, l.Count, l.State, state)
		}
	}
	t.Run("syn", func(t *testing.T) {
		port := listenIn(t, ns)
		ns.Filter(t, "input", fmt.Sprintf("tcp dport %d drop", port))
		first(t, "syn", "SYN_SENT", connecting(t, ns, port), port)
	})
	t.Run("synack", func(t *testing.T) {
		port := listenIn(t, ns)
		ns.Filter(t, "input", fmt.Sprintf("tcp sport %d drop", port))
		first(t, "synack", "NEW_SYN_RECV", port, connecting(t, ns, port))
		r.await(t, func(l *line) bool { return l.Kind == "synack" && l.Lport == port && l.Count == 2 }, "the second SYN-ACK")
	})
	t.Run("data", func(t *testing.T) {
		client := connectedTo(t, ns)
		lport, rport := kerneltest.Ports(client)
		ns.Filter(t, "input", fmt.Sprintf("tcp dport %d drop", rport))
		if _, err := client.Write([]byte("lost")); err != nil {
			t.Fatal(err)
		}
		first(t, "data", "ESTABLISHED", lport, rport)
	})
	t.Run("fin", func(t *testing.T) {
		client := connectedTo(t, ns)
		lport, rport := kerneltest.Ports(client)
		ns.Filter(t, "input", fmt.Sprintf("tcp dport %d drop", rport))
		if err := client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		first(t, "fin", "FIN_WAIT1", lport, rport)
	})
	noneImpossible(t, r.lines())
	r.interrupt()
}

func listenIn(t *testing.T, ns *kerneltest.Netns) (port uint16) {
	t.Helper()
	ns.Do(func() { port = addrPortOf(t, kerneltest.Listen(t, kerneltest.IPv4).Addr().String()) })
	return port
}

func connectedTo(t *testing.T, ns *kerneltest.Netns) (client *net.TCPConn) {
	t.Helper()
	ns.Filter(t, "input") // no rules
	ns.Do(func() { client, _ = kerneltest.Pair(t, kerneltest.IPv4) })
	return client
}

// connecting begins to connect to a port of loopback and returns the local one.
func connecting(t *testing.T, ns *kerneltest.Netns, port uint16) (local uint16) {
	t.Helper()
	ns.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}})
		if err != unix.EINPROGRESS {
			t.Fatalf("connect: %v", err)
		}
		at, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		local = uint16(at.(*unix.SockaddrInet4).Port)
	})
	return local
}
