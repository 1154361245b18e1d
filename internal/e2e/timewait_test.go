package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/tunpeer"
)

// Each TIME_WAIT belongs to the process that closed first, also when that one has
// ended: in the stream, and in the picture at the end of a recording.
func TestTimeWaitKeepsItsOwner(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 60000")
	ns.Sysctl("net/ipv4/tcp_max_tw_buckets", "262144")
	server := inNetns(ns, func() *helper { return startHelper(t, "serve", "127.0.0.1:0", "server") })
	port := addrPortOf(t, server.addr)
	go func() { // what it says must not fill its pipe
		for server.lines.Scan() {
		}
	}()
	closer := inNetns(ns, func() *helper { return startHelper(t, "close first", server.addr, "closer") })
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{BufferKB: 64 << 10})
	r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)
	total := kerneltest.Load(10000)
	if _, err := fmt.Fprintln(closer.stdin, total); err != nil {
		t.Fatal(err)
	}
	pid := closer.pid()
	if err := closer.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	// A new namespace may show what an old one at its address left behind.
	var there int
	kerneltest.AwaitNoError(t, patience, func() error {
		there = 0
		truth := ssTruth(t, ns)
		for one := range truth.mini {
			if one.remote.Port() == port {
				there++
			}
		}
		if there < total*9/10 {
			stat := inNetns(ns, func() []byte { text, _ := os.ReadFile("/proc/thread-self/net/sockstat"); return text })
			return fmt.Errorf("%d of %d, among %d mini-sockets and %d others; the kernel counts:\n%s", there, total, len(truth.mini), len(truth.full), stat)
		}
		return nil
	}, "TIME_WAIT sockets")
	r.interrupt()

	missed := lostOf(r.lines()) + hidden(t, w, []uint16{port})
	begun := 0
	for _, l := range r.lines() {
		if l.Event != "time_wait" || l.End != "" || l.Rport != port {
			continue
		}
		begun++
		if l.Owner.Provenance != "exact" || l.Owner.PID != pid || l.Owner.Comm != "closer" {
			t.Errorf("TIME_WAIT of %d is given to %+v, want process %d", l.Lport, l.Owner, pid)
		}
	}
	if begun > total || begun < total-missed {
		t.Errorf("%d times TIME_WAIT began, want %d but for %d missed", begun, total, missed)
	}
	file := filepath.Join(t.TempDir(), "recording.jsonl")
	if err := os.WriteFile(file, r.stdout(), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := parseArray(t, mustOutput(t, "sockets", "-r", file, "-o", "json", "--state", "TIME_WAIT", "--rport", fmt.Sprint(port)))
	for i := range rows {
		if rows[i].Owner.PID != pid {
			t.Errorf("at the end of the recording, %v is given to %+v, want process %d", &rows[i], rows[i].Owner, pid)
		}
	}
	if len(rows) < there-missed {
		t.Errorf("%d in TIME_WAIT at the end of the recording, ss shows %d, %d missed", len(rows), there, missed)
	}
}

// A connection that takes the place of a waiting one ends it, and is named.
func TestTimeWaitReusedByConnect(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	ns.Sysctl("net/ipv4/tcp_tw_reuse", "1")
	server := inNetns(ns, func() *helper { return startHelper(t, "serve", "127.0.0.1:0", "server") })
	r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
	}}
	connect := func() (uint16, error) {
		c, err := inNetnsErr(ns, func() (net.Conn, error) { return dialer.DialContext(context.Background(), "tcp4", server.addr) })
		if err != nil {
			return 0, err
		}
		defer c.Close()
		dialer.LocalAddr = c.LocalAddr()
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, c)
		return addrPortOf(t, c.LocalAddr().String()), err
	}
	lport, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	begun := func(l *line) bool {
		return l.Event == "time_wait" && l.Lport == lport && l.Rport == addrPortOf(t, server.addr)
	}
	first := r.await(t, func(l *line) bool { return begun(l) && l.End == "" }, "TIME_WAIT")
	// The kernel lets a second pass (tcp_twsk_unique).
	kerneltest.Eventually(t, patience, func() bool { _, err := connect(); return err == nil }, "the same port again")
	end := r.await(t, func(l *line) bool { return begun(l) && l.End != "" }, "its end")
	if end.End != "reused" || end.Socket != first.Socket || end.Verdict != "normal" {
		t.Errorf("life %d ends %s (%s), want life %d reused, normal", end.Socket, end.End, end.Verdict, first.Socket)
	}
	next := r.await(t, func(l *line) bool {
		return l.Event == "transition" && l.To == "ESTABLISHED" && l.Lport == lport && l.Socket != first.Socket
	}, "the successor")
	if end.Successor != next.Socket {
		t.Errorf("successor %d, want %d", end.Successor, next.Socket)
	}
	r.interrupt()
}

// What a peer, an administrator's limit and the timer do to a waiting connection.
func TestTimeWaitEndsAreTold(t *testing.T) {
	kerneltest.RequireTun(t)
	kerneltest.LeakCheck(t)
	const closing = "kernel listen\nsyn\nexpect synack\nack\nkernel accept\nkernel close\nexpect fin\nack\nstate FIN_WAIT2\n"
	const waiting = closing + "fin\nexpect ack\nstate TIME_WAIT\n"
	const shut = "kernel listen\nsyn\nexpect synack\nack\nkernel accept\nkernel shutdown wr\nexpect fin\nack\nstate FIN_WAIT2\nfin\n"
	const limit = "kernel sysctl net.ipv4.tcp_max_tw_buckets 0\n"
	for name, c := range map[string]struct{ script, mode, want, verdict string }{
		"RFC 1337: RST":           {waiting + "rst\nstate CLOSE\n", "timers", "assassinated", "abnormal"},
		"RFC 1337: RST, by looks": {shut + "expect ack\nrst\nstate CLOSE\n", "looks", "unknown", "unjudged"},
		"timer":                   {"kernel sysctl net.ipv4.tcp_fin_timeout 1\n" + closing + "state CLOSE\n", "timers", "expired", "normal"},
		"overflow":                {limit + shut + "state CLOSE\n", "timers", "overflow", "abnormal"},
	} {
		t.Run(name, func(t *testing.T) {
			ns := namedNetns(t)
			peer := tunpeer.New(t, ns).Conn(kerneltest.IPv4)
			r := start(t, "trace", "-o", "jsonl", "--time-wait", c.mode, "--netns", fmt.Sprint(ns.Inum()))
			r.ready(ns)
			script, err := tunpeer.Parse(name, c.script)
			if err != nil {
				t.Fatal(err)
			}
			if err := peer.Run(script); err != nil {
				t.Fatal(err)
			}
			end := r.await(t, func(l *line) bool {
				return l.Event == "time_wait" && l.End != "" && l.Rport == peer.Peer.Port()
			}, "the end of TIME_WAIT")
			if end.End != c.want || end.Verdict != c.verdict {
				t.Errorf("%s, %s; want %s, %s", end.End, end.Verdict, c.want, c.verdict)
			}
			if strings.Contains(name, "timer") && end.InStateNS != nil && time.Duration(*end.InStateNS) < time.Second/2 {
				t.Errorf("it lasted %v", time.Duration(*end.InStateNS))
			}
			r.interrupt()
		})
	}
}
