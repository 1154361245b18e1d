package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Below an MPTCP listener, as Go's net makes it, a mini-socket and a request are of
// another protocol to the kernel. They are in an inventory like all others, or a look
// would take them for gone, and a SYN-ACK that is sent again says to whom.
func TestMiniSocketsBelowAnMPTCPListener(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	if err := tryMPTCP(); err != nil {
		kerneltest.SkipProved(t, "this kernel has no MPTCP", err)
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			ns := namedNetns(t)
			var lc net.ListenConfig
			lc.SetMultipathTCP(true)
			l, err := inNetnsErr(ns, func() (net.Listener, error) { return lc.Listen(context.Background(), "tcp", address) })
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			port := addrPortOf(t, l.Addr().String())
			r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
			r.ready(ns)
			closeServerFirst(t, ns, l)
			r.await(t, func(l *line) bool { return l.Event == "time_wait" && l.Lport == port && l.End == "" }, "TIME_WAIT")
			client := halfOpen(t, ns, l.Addr().String())

			rows := sift(parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))), func(l *line) bool {
				return l.Lport == port && (l.State == "TIME_WAIT" || l.State == "NEW_SYN_RECV")
			})
			if len(rows) != 2 || rows[0].State == rows[1].State {
				t.Fatalf("the inventory has not one mini-socket and one request, but %v", rows)
			}
			for i := range rows {
				row := &rows[i]
				if row.Cookie == "" || !row.local().Addr().IsLoopback() || !row.remote().Addr().IsLoopback() || row.State == "NEW_SYN_RECV" && row.Rport != client {
					t.Errorf("%s: %v, cookie %q", row.State, row, row.Cookie)
				}
			}
			again := r.await(t, func(l *line) bool { return l.Event == "retransmit" && l.Kind == "synack" }, "a SYN-ACK sent again")
			if again.Lport != port || again.Rport != client || again.State != "NEW_SYN_RECV" {
				t.Errorf("the SYN-ACK was sent again by %v in %s, not from %d to %d", &again, again.State, port, client)
			}
			r.interrupt()
		})
	}
}

// closeServerFirst makes a plain connection that the server is the first to close.
func closeServerFirst(t *testing.T, ns *kerneltest.Netns, l net.Listener) {
	t.Helper()
	client, err := inNetnsErr(ns, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, client); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
}

// halfOpen leaves a request by a client whose ACK is dropped, and returns its port.
func halfOpen(t *testing.T, ns *kerneltest.Netns, address string) uint16 {
	t.Helper()
	ns.Filter(t, "input", fmt.Sprintf("tcp dport %d tcp flags & (syn | ack) == ack drop", addrPortOf(t, address)))
	client, err := inNetnsErr(ns, func() (net.Conn, error) { return net.DialTimeout("tcp", address, 5*time.Second) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return addrPortOf(t, client.LocalAddr().String())
}
