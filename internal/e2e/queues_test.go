package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/tunpeer"
)

// namedNetns is a namespace that tcpwatch finds.
func namedNetns(t *testing.T) *kerneltest.Netns {
	t.Helper()
	ns := newNetns(t)
	ns.Named(nameOf(ns))
	return ns
}

func nameOf(ns *kerneltest.Netns) string {
	return fmt.Sprintf("tcpwatch-queues-%d-%d", pidOfTest, ns.Inum())
}

// sockaddr converts an address and a port.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// tcpSocket returns a socket of the namespace that does not block.
func tcpSocket(t *testing.T, ns *kerneltest.Netns, family int) (fd int) {
	t.Helper()
	fd, err := inNetnsErr(ns, func() (int, error) {
		return unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) }) // some are closed before
	return fd
}

// listenWith listens at an address with a backlog that nobody accepts from.
func listenWith(t *testing.T, ns *kerneltest.Netns, at netip.AddrPort, backlog int) (fd int, port uint16) {
	t.Helper()
	family := unix.AF_INET6
	if at.Addr().Is4() {
		family = unix.AF_INET
	}
	fd = tcpSocket(t, ns, family)
	err := unix.Bind(fd, sockaddr(at))
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		port = uint16(a.Port)
	case *unix.SockaddrInet6:
		port = uint16(a.Port)
	}
	return fd, port
}

// inventoryOf returns what sockets finds at a port of a namespace, and the
// listener among it.
func foundAt(t *testing.T, ns *kerneltest.Netns, port uint16) (found []line, listener line) {
	t.Helper()
	found = parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()), "--lport", fmt.Sprint(port)))
	listeners := sift(found, func(l *line) bool { return l.State == "LISTEN" })
	if len(listeners) != 1 || listeners[0].Listen == nil {
		t.Fatalf("%d listeners at port %d: %v", len(listeners), port, found)
	}
	return found, listeners[0]
}

// ssBacklog is what ss says of a listener's accept queue.
func ssBacklog(t *testing.T, ns *kerneltest.Netns, port uint16) (length, limit uint32) {
	t.Helper()
	out, err := inNetnsErr(ns, func() ([]byte, error) {
		return exec.Command("ss", "-ltnH", fmt.Sprintf("sport = :%d", port)).Output()
	})
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	if _, err := fmt.Sscanf(string(out), "LISTEN %d %d", &length, &limit); err != nil {
		t.Fatalf("ss: %v: %s", err, out)
	}
	return length, limit
}

// ssSynRecv is how many half-open connections ss shows.
func ssSynRecv(t *testing.T, ns *kerneltest.Netns) int {
	t.Helper()
	out, err := inNetnsErr(ns, func() ([]byte, error) { return exec.Command("ss", "-tnH", "state", "syn-recv").Output() })
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	return strings.Count(string(out), "\n")
}

// nstat reads a counter of a namespace as nstat does, but not as tcpwatch does.
func nstat(t *testing.T, ns *kerneltest.Netns, name string) uint64 {
	t.Helper()
	text, err := inNetnsErr(ns, func() ([]byte, error) { return os.ReadFile("/proc/thread-self/net/netstat") })
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(text))
	var heads []int
	for i, w := range words {
		if w == "TcpExt:" {
			heads = append(heads, i)
		}
	}
	for i, w := range words {
		if w == name && len(heads) == 2 && i < heads[1] {
			n, err := strconv.ParseUint(words[heads[1]+i-heads[0]], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no counter %s in %s", name, text)
	return 0
}

// An accept queue fills until it is longer than its limit, and what comes then is
// counted by the kernel; each connection that waits there is one that nobody
// accepted.
func TestAcceptQueueFillsUp(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	const backlog, clients = 3, 6
	for _, at := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		t.Run(at, func(t *testing.T) {
			ns := namedNetns(t)
			where := netip.MustParseAddrPort(at)
			listener, port := listenWith(t, ns, where, backlog)
			loopback := netip.IPv6Loopback()
			if where.Addr().Is4() {
				loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
			}
			var waiting []int
			for range clients {
				domain := unix.AF_INET6
				if loopback.Is4() {
					domain = unix.AF_INET
				}
				fd := tcpSocket(t, ns, domain)
				if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(loopback, port))); err != unix.EINPROGRESS {
					t.Fatalf("connect: %v", err)
				}
				waiting = append(waiting, fd)
			}
			kerneltest.Eventually(t, patience, func() bool { n, _ := ssBacklog(t, ns, port); return n == backlog+1 }, "a full queue in ss")
			for _, fd := range waiting[backlog+1:] {
				if err := unix.Close(fd); err != nil { // it would try again
					t.Fatal(err)
				}
			}
			check := func(want uint32) {
				t.Helper()
				found, l := foundAt(t, ns, port)
				length, limit := ssBacklog(t, ns, port)
				q := l.Listen
				if length != want || q.Accept != length || q.AcceptLimit != limit || l.RecvQ != length || l.SendQ != limit {
					t.Errorf("accept queue %+v, recv_q %d, send_q %d; ss shows %d and %d, want %d", q, l.RecvQ, l.SendQ, length, limit, want)
				}
				if q.Unaccepted == nil || *q.Unaccepted != int(length) {
					t.Errorf("unaccepted %v, want %d", q.Unaccepted, length)
				}
				if q.SYN != 0 || q.SYNLimit != backlog {
					t.Errorf("SYN queue %d of %d, want 0 of %d", q.SYN, q.SYNLimit, backlog)
				}
				if n := len(sift(found, func(l *line) bool { return l.State == "ESTABLISHED" })); n != clients-2 {
					t.Errorf("%d connections, want %d", n, clients-2)
				}
				for public, name := range map[string]string{"listen_overflows": "ListenOverflows", "listen_drops": "ListenDrops", "syncookies_sent": "SyncookiesSent"} {
					if got, want := l.Counters[public], nstat(t, ns, name); got != want {
						t.Errorf("%s %d, want %d", public, got, want)
					}
				}
				if l.Counters["listen_overflows"] == 0 {
					t.Error("no overflow is counted")
				}
			}
			check(backlog + 1)
			_, footer, _ := output(t, "sockets", "-o", "wide", "--netns", fmt.Sprint(ns.Inum()))
			if want := fmt.Sprintf("netns %s: %d listen overflows, ", nameOf(ns), nstat(t, ns, "ListenOverflows")); !strings.Contains(footer, want) {
				t.Errorf("stderr %q, want %q", footer, want)
			}
			accepted, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(accepted) }()
			check(backlog)
		})
	}
}

// Listeners that share an address share its connections: whose they are is not
// told.
func TestQueuesOfSharedAddress(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := namedNetns(t)
	at := netip.MustParseAddrPort("127.0.0.1:0")
	for range 2 {
		fd := tcpSocket(t, ns, unix.AF_INET)
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			t.Fatal(err)
		}
		if err := unix.Bind(fd, sockaddr(at)); err != nil {
			t.Fatal(err)
		}
		if err := unix.Listen(fd, 7); err != nil {
			t.Fatal(err)
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		at = netip.AddrPortFrom(at.Addr(), uint16(name.(*unix.SockaddrInet4).Port))
	}
	found := parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()), "--lport", fmt.Sprint(at.Port())))
	if len(found) != 2 {
		t.Fatalf("%d listeners, want 2", len(found))
	}
	for _, l := range found {
		if l.Listen == nil || l.Listen.AcceptLimit != 7 || l.Listen.Unaccepted != nil {
			t.Errorf("%v: %+v, want a limit of 7 and no word of unaccepted", &l, l.Listen)
		}
	}
}

// A flood of SYNs fills the SYN queue up to its limit. What comes then gets a
// cookie, or nothing without cookies, and is counted.
func TestSYNFlood(t *testing.T) {
	kerneltest.RequireTun(t)
	kerneltest.LeakCheck(t)
	const somaxconn, syns = 64, 200
	for _, c := range []struct {
		name           string
		cookies, queue string
		limit          uint32
	}{
		{"cookies", "1", "4096", somaxconn},
		{"no cookies", "0", "4096", somaxconn},
		{"no cookies and a short queue", "0", "32", 24}, // a quarter is kept for known peers
		{"cookies and a short queue", "1", "32", somaxconn},
	} {
		for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
			t.Run(fmt.Sprintf("%s/IPv%d", c.name, family), func(t *testing.T) {
				ns := namedNetns(t)
				ns.Sysctl("net/core/somaxconn", strconv.Itoa(somaxconn))
				ns.Sysctl("net/ipv4/tcp_syncookies", c.cookies)
				ns.Sysctl("net/ipv4/tcp_max_syn_backlog", c.queue)
				peer := tunpeer.New(t, ns)
				_, port := listenWith(t, ns, netip.AddrPortFrom(peer.KernelAddr(family), 0), 1000)
				at := netip.AddrPortFrom(peer.KernelAddr(family), port)
				began := time.Now()
				for i := range syns {
					s := tunpeer.Segment{Src: netip.AddrPortFrom(peer.ForgedAddr(family, i), 1024), Dst: at, Seq: uint32(i), Flags: tunpeer.SYN, Window: 65535}
					if err := peer.Send(s); err != nil {
						t.Fatal(err)
					}
				}
				kerneltest.Eventually(t, patience, func() bool {
					return answered(peer, at)+int(nstat(t, ns, "ListenDrops")) == syns
				}, "every SYN answered or dropped")
				found, l := foundAt(t, ns, port)
				waiting := uint32(len(sift(found, func(l *line) bool { return l.State == "NEW_SYN_RECV" })))
				q := l.Listen
				if q.SYNLimit != c.limit || q.SYN > c.limit+1 {
					t.Errorf("SYN queue %d of %d, want a limit of %d", q.SYN, q.SYNLimit, c.limit)
				}
				// After a second the kernel prunes a full queue, down to half.
				if shown := ssSynRecv(t, ns); time.Since(began) < time.Second {
					if q.SYN != waiting || int(q.SYN) != shown {
						t.Errorf("SYN queue %d, %d rows, %d in ss", q.SYN, waiting, shown)
					}
					if q.SYN < c.limit { // the newer rule, and that without cookies, let one more in
						t.Errorf("SYN queue %d is not full at %d", q.SYN, q.SYNLimit)
					}
					if sent := l.Counters["syncookies_sent"]; c.cookies == "1" && sent != uint64(syns-q.SYN) {
						t.Errorf("%d cookies for %d SYNs and a queue of %d", sent, syns, q.SYN)
					}
				}
				if q.Accept != 0 || q.Unaccepted == nil || *q.Unaccepted != 0 {
					t.Errorf("accept queue %+v, want it empty", q)
				}
				for public, name := range map[string]string{
					"syncookies_sent": "SyncookiesSent", "listen_drops": "ListenDrops", "listen_overflows": "ListenOverflows",
					"req_q_full_do_cookies": "TCPReqQFullDoCookies", "req_q_full_drop": "TCPReqQFullDrop",
				} {
					if got, want := l.Counters[public], nstat(t, ns, name); got != want {
						t.Errorf("%s %d, want %d", public, got, want)
					}
				}
				if sent := l.Counters["syncookies_sent"]; c.cookies == "0" && sent != 0 {
					t.Errorf("%d cookies, which are off", sent)
				}
				t.Logf("%d in the queue", q.SYN)
			})
		}
	}
}

// answered counts the peers that the kernel sent a SYN-ACK.
func answered(peer *tunpeer.Peer, from netip.AddrPort) int {
	to := map[netip.AddrPort]bool{}
	for _, e := range peer.Log() {
		if e.FromKernel && e.Segment.Src == from && e.Segment.Flags&(tunpeer.SYN|tunpeer.ACK) == tunpeer.SYN|tunpeer.ACK {
			to[e.Segment.Dst] = true
		}
	}
	return len(to)
}

// A half-open connection has an age and counts its SYN-ACKs; an RST ends it, and
// one that ends a connection in the accept queue leaves it there, dead.
func TestHalfOpenComesAndGoes(t *testing.T) {
	kerneltest.RequireTun(t)
	kerneltest.LeakCheck(t)
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			ns := namedNetns(t)
			peer := tunpeer.New(t, ns)
			c := peer.Conn(family)
			run := func(text string) {
				t.Helper()
				script, err := tunpeer.Parse(t.Name(), text)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Run(script); err != nil {
					t.Fatal(err)
				}
			}
			check := func(again bool, oldest, youngest time.Time) {
				t.Helper()
				before := time.Now()
				found, l := foundAt(t, ns, c.Kernel.Port())
				after := time.Now()
				rows := sift(found, func(l *line) bool { return l.State == "NEW_SYN_RECV" })
				if len(rows) != 1 || l.Listen.SYN != 1 {
					t.Fatalf("%d half-open connections, %d in the queue; want 1", len(rows), l.Listen.SYN)
				}
				row := &rows[0]
				if row.remote() != c.Peer || row.InStateNS == nil {
					t.Fatalf("%v of %v, age %v", row, c.Peer, row.InStateNS)
				}
				if age := time.Duration(*row.InStateNS); age < before.Sub(youngest) || age > after.Sub(oldest) {
					t.Errorf("age %v, want between %v and %v", age, before.Sub(youngest), after.Sub(oldest))
				}
				switch sent := row.Retransmits.SYNACK; {
				case again && (sent == 0 || l.Listen.Young != 0):
					t.Errorf("%d SYN-ACKs sent again and %d young, want some and 0", sent, l.Listen.Young)
				case !again && after.Sub(oldest) < time.Second && (sent != 0 || l.Listen.Young != 1):
					t.Errorf("%d SYN-ACKs sent again and %d young, want 0 and 1", sent, l.Listen.Young)
				}
			}
			run("kernel listen")
			oldest := time.Now()
			run("syn\nexpect synack")
			youngest := time.Now()
			check(false, oldest, youngest)
			run("expect synack again")
			check(true, oldest, youngest)
			run("rst")
			kerneltest.Eventually(t, patience, func() bool { return ssSynRecv(t, ns) == 0 }, "the end in ss")
			found, l := foundAt(t, ns, c.Kernel.Port())
			if len(found) != 1 || l.Listen.SYN != 0 || l.Counters["embryonic_rsts"] != nstat(t, ns, "EmbryonicRsts") || l.Counters["embryonic_rsts"] != 1 {
				t.Errorf("after the RST: %v, %+v, embryonic_rsts %d", found, l.Listen, l.Counters["embryonic_rsts"])
			}

			c = peer.Conn(family) // a slow guest may still be told of the first one's SYN-ACKs
			run("kernel listen\nsyn\nexpect synack\nack")
			kerneltest.Eventually(t, patience, func() bool { n, _ := ssBacklog(t, ns, c.Kernel.Port()); return n == 1 }, "a connection that waits")
			if _, l := foundAt(t, ns, c.Kernel.Port()); l.Listen.Accept != 1 || *l.Listen.Unaccepted != 1 {
				t.Errorf("%+v, want one that waits", l.Listen)
			}
			run("rst\nstate CLOSE")
			if _, l := foundAt(t, ns, c.Kernel.Port()); l.Listen.Accept != 1 || *l.Listen.Unaccepted != 0 {
				t.Errorf("%+v, want one in the queue, which was reset", l.Listen)
			}
		})
	}
}
