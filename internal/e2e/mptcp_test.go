package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// tryMPTCP makes an MPTCP socket.
func tryMPTCP() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// The subflows of an MPTCP connection are TCP sockets, and marked. The socket
// above them is none: it is not told of.
func TestMPTCPSubflows(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	if err := tryMPTCP(); err != nil {
		kerneltest.SkipProved(t, "this kernel has no MPTCP", err)
	}
	ns := newNetns(t)
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{})
	r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)
	// The witness sees all namespaces: an address that nobody else has tells ours.
	ours := netip.MustParseAddr("127.83.1.9")
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	l, err := inNetnsErr(ns, func() (net.Listener, error) { return lc.Listen(context.Background(), "tcp4", ours.String()+":0") })
	if err != nil {
		t.Fatal(err)
	}
	port := addrPortOf(t, l.Addr().String())
	dialer := net.Dialer{Timeout: patience}
	dialer.SetMultipathTCP(true)
	for range 10 {
		client, err := inNetnsErr(ns, func() (net.Conn, error) { return dialer.Dial("tcp4", l.Addr().String()) })
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if is, err := client.(*net.TCPConn).MultipathTCP(); err != nil || !is {
			t.Fatalf("the connection does not use MPTCP: %v", err)
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, server); err != nil {
			t.Fatal(err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	witnessed := func() map[[2]string]int {
		counts := map[[2]string]int{}
		for _, e := range w.Events() {
			if e.Name == kerneltest.SetState && (e.Saddr == ours && e.Sport == port || e.Daddr == ours && e.Dport == port) {
				counts[[2]string{e.Old, e.New}]++
			}
		}
		return counts
	}
	// Closing goes on in a kernel thread.
	kerneltest.Eventually(t, patience, func() bool {
		ended := 0
		for pair, n := range witnessed() {
			if pair[1] == "CLOSE" {
				ended += n
			}
		}
		return ended == 2*10+1
	}, "the end of every subflow")
	r.interrupt()

	lines := sift(r.lines(), func(l *line) bool { return l.involves(port) })
	hidden := hidden(t, w, []uint16{port})
	if hidden == 0 {
		noneImpossible(t, lines)
	}
	got, marked := map[[2]string]int{}, 0
	for i := range lines {
		l := &lines[i]
		if l.Event != "transition" {
			continue
		}
		got[[2]string{l.From, l.To}]++
		if l.To == "ESTABLISHED" && slices.Contains(l.Evidence.Flags, "mptcp") {
			marked++
		}
	}
	missingAtMost(t, lostOf(r.lines())+hidden, got, witnessed())
	if marked < 10 {
		t.Errorf("%d subflows are marked as such", marked)
	}
	reasons := map[string]int{}
	for i := range lines {
		if lines[i].Event == "closed" {
			reasons[lines[i].CloseReason+" "+lines[i].Verdict]++
		}
	}
	t.Logf("%d marked of 20, ends %v", marked, reasons)
}
