package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// The subflows of an MPTCP connection belong to whoever holds the socket above
// them, by its fd: in one inventory, and in that of a stream.
func TestSubflowsBelongToTheHolderOfTheSocketAbove(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	if err := tryMPTCP(); err != nil {
		kerneltest.SkipProved(t, "this kernel has no MPTCP", err)
	}
	ns := newNetns(t)
	ns.Named(fmt.Sprintf("tcpwatch-mptcp-%d", os.Getpid()))
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	l, err := inNetnsErr(ns, func() (net.Listener, error) { return lc.Listen(context.Background(), "tcp4", "127.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialer := net.Dialer{Timeout: patience}
	dialer.SetMultipathTCP(true)
	client, err := inNetnsErr(ns, func() (net.Conn, error) { return dialer.Dial("tcp4", l.Addr().String()) })
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if is, err := server.(*net.TCPConn).MultipathTCP(); err != nil || !is {
		t.Fatalf("the connection does not use MPTCP: %v", err)
	}
	port := addrPortOf(t, l.Addr().String())
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var listening int
	if err := raw.Control(func(fd uintptr) { listening = int(fd) }); err != nil {
		t.Fatal(err)
	}
	check := func(what string, rows []line) {
		t.Helper()
		if len(rows) != 3 {
			t.Errorf("%s: %d rows, want a listener and two ends", what, len(rows))
		}
		for i := range rows {
			row := &rows[i]
			fd := fdOf(t, client.(*net.TCPConn))
			switch {
			case row.State == "LISTEN":
				fd = listening
			case row.Lport == port:
				fd = fdOf(t, server.(*net.TCPConn))
			}
			if row.Owner.PID != uint32(pidOfTest) || row.Owner.Provenance != "exact" || row.Owner.FD == nil || *row.Owner.FD != fd {
				t.Errorf("%s: %v: want fd %d of this process", what, row, fd)
			}
		}
	}
	ours := func(l *line) bool { return l.Event == "inventory" && l.involves(port) }
	check("sockets", sift(parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))), ours))
	r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	kerneltest.Eventually(t, patience, func() bool { return len(sift(r.lines(), ours)) >= 3 }, "the subflows in trace; "+r.stderr())
	check("trace", sift(r.lines(), ours))
	r.interrupt()
}
