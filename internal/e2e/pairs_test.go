package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// awaitOther runs waits until a section tells of another end.
func awaitOther(t *testing.T, section string, args ...string) (other otherEnd) {
	t.Helper()
	kerneltest.Eventually(t, patience, func() bool {
		for _, g := range waitsOnce(t, args...).Sections[section].Groups {
			if g.Other != nil {
				other = *g.Other
				return true
			}
		}
		return false
	}, "word of the other end in "+section)
	return other
}

// RFC 9293 3.6: who waits in FIN_WAIT2 is told which process has not closed, and which
// descriptor, also where that is in another network namespace.
func TestWaitsNamesTheOtherEnd(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	here, there := namedNetns(t), namedNetns(t)
	kerneltest.Veth(t, here, there)
	for name, at := range map[string]struct {
		server *kerneltest.Netns
		addr   string
	}{"one namespace": {here, "127.0.0.1:0"}, "two namespaces": {there, "10.99.0.2:0"}, "two namespaces, IPv6": {there, "[fd99::2]:0"}} {
		t.Run(name, func(t *testing.T) {
			l := inNetns(at.server, func() *net.TCPListener {
				l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at.addr)))
				if err != nil {
					t.Fatal(err)
				}
				return l
			})
			defer l.Close()
			client := inNetns(here, func() net.Conn {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				return c
			}).(*net.TCPConn)
			defer client.Close()
			server, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			_, port := kerneltest.Ports(client)
			other := awaitOther(t, "fin_wait2", "--rport", strconv.Itoa(int(port))) // the other end is not asked for
			if other.Rule != "pair-close-awaited" || other.Verdict != "normal" || other.State != "CLOSE_WAIT" || other.Count != 1 ||
				other.Netns != at.server.Inum() || other.Owner.PID != uint32(os.Getpid()) || other.Example.FD == nil || *other.Example.FD != fdOf(t, server) {
				t.Errorf("the other end is %+v, want CLOSE_WAIT of %d, fd %d", other, os.Getpid(), fdOf(t, server))
			}
		})
	}
}

// Where the server's address was translated, the ends do not have each other's: what
// was tracked joins them, and the numbers prove it.
func TestWaitsNamesTheOtherEndBehindNAT(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	kerneltest.NeedProgram(t, "nft")
	ns := namedNetns(t)
	_, port := listenWith(t, ns, netip.MustParseAddrPort("127.0.0.1:0"), 16)
	for _, rule := range []string{
		"add table ip nat", "add chain ip nat out { type nat hook output priority -100; }",
		"add rule ip nat out ip daddr 127.0.0.9 tcp dport 9 dnat to 127.0.0.1:" + strconv.Itoa(int(port)),
	} {
		ns.Do(func() {
			if out, err := exec.Command("nft", rule).CombinedOutput(); err != nil {
				kerneltest.SkipProved(t, "this kernel translates no addresses", fmt.Errorf("nft %s: %w: %s", rule, err, out))
			}
		})
	}
	client := inNetns(ns, func() net.Conn {
		c, err := net.DialTimeout("tcp", "127.0.0.9:9", 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}).(*net.TCPConn)
	defer client.Close()
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	other := awaitOther(t, "fin_wait2", "--rport", "9", "--netns", nameOf(ns))
	if other.Rule != "pair-close-awaited" || other.State != "CLOSE_WAIT" {
		t.Errorf("the other end is %+v, want CLOSE_WAIT, pair-close-awaited", other)
	}
}

// RFC 9293 3.5.1: an end that was destroyed, and whose RST was lost, leaves the other
// half-open.
func TestWaitsShowsHalfOpen(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	kerneltest.NeedProgram(t, "ss")
	ns := namedNetns(t)
	var client, server *net.TCPConn
	ns.Do(func() { client, server = kerneltest.Pair(t, kerneltest.IPv4) })
	ns.Filter(t, "input", "tcp flags & rst == rst drop")
	local, _ := kerneltest.Ports(server)
	ns.Do(func() {
		if out, err := exec.Command("ss", "-K", "-tn", "sport", "=", ":"+strconv.Itoa(int(local))).CombinedOutput(); err != nil {
			t.Fatalf("ss -K: %v: %s", err, out)
		}
	})
	other := awaitOther(t, "half_open", "--netns", nameOf(ns))
	if other.Rule != "pair-half-open" || other.Verdict != "notable" || other.State != "none" {
		t.Errorf("the other end is %+v, want none, pair-half-open", other)
	}
	_ = client.Close()
}

// A client is established, and its server's request is not: nobody accepts it before
// data comes (TCP_DEFER_ACCEPT), as where the queue has no room.
func TestWaitsShowsNotAccepted(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := namedNetns(t)
	fd, port := listenWith(t, ns, netip.MustParseAddrPort("127.0.0.1:0"), 16)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 60); err != nil {
		t.Fatal(err)
	}
	c := inNetns(ns, func() net.Conn {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(int(port)), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
	defer c.Close()
	other := awaitOther(t, "half_open", "--netns", nameOf(ns))
	if other.Rule != "pair-not-accepted" || other.Verdict != "notable" || other.State != "NEW_SYN_RECV" {
		t.Errorf("the other end is %+v, want NEW_SYN_RECV, pair-not-accepted", other)
	}
}
