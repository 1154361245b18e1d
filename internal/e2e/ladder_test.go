package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Both ends of a real connection are drawn in one picture, with the numbers of the
// textbook: in one network namespace, from an IPv4 client to an IPv6 socket, and
// between two namespaces.
func TestLadderJoinsBothEnds(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	t.Setenv("LC_ALL", "C")
	near, far := newNetns(t), newNetns(t)
	kerneltest.Veth(t, near, far)
	for _, c := range []struct {
		name         string
		server       *kerneltest.Netns
		listen, dial string
	}{
		{"one namespace", near, "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 to an IPv6 socket", near, "[::]:0", "127.0.0.1"},
		{"two namespaces", far, "10.99.0.2:0", "10.99.0.2"},
		{"two namespaces, IPv6", far, "[fd99::2]:0", "fd99::2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, "history", "--ladder", "--relative", "--netns", fmt.Sprint(near.Inum()), "--netns", fmt.Sprint(far.Inum()))
			// In whichever order the two ends were at their turns.
			want := []string{
				"SYN_SENT -> SYN 0", "SYN_RECV", "ESTABLISHED <- SYN,ACK 0 ack 1", "-> ACK 1 ESTABLISHED",
				"FIN_WAIT1", "-> FIN 1 CLOSE_WAIT", "FIN_WAIT2 <- ACK 2", "LAST_ACK", "TIME_WAIT <- FIN 1", "-> ACK 2 CLOSE",
			}
			slices.Sort(want)
			// The first ones may have begun before the watch, and an address is known to be
			// of this host once an end was seen there.
			kerneltest.AwaitNoError(t, patience, func() error {
				converse(t, near, c.server, c.listen, c.dial)
				newest := []string{}
				for _, picture := range strings.Split(string(r.stdout()), "\n\n") {
					if rungs := rungsOf(picture); len(rungs) > 0 {
						slices.Sort(rungs)
						newest = rungs
					}
					if slices.Equal(newest, want) {
						return nil
					}
				}
				return fmt.Errorf("no picture is %q; the last is %q", want, newest)
			}, "a picture of both ends")
			r.interrupt()
		})
	}
}

// converse makes a connection, which the client closes first.
func converse(t *testing.T, client, server *kerneltest.Netns, listen, dial string) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l := inNetns(server, func() net.Listener {
		l, err := lc.Listen(t.Context(), "tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
	defer l.Close()
	to := netip.AddrPortFrom(netip.MustParseAddr(dial), addrPortOf(t, l.Addr().String()))
	c := inNetns(client, func() net.Conn {
		c, err := net.Dial("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Fatal("data, want the end")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("data, want the end")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

var rungLine = regexp.MustCompile(`^(?: *[0-9.µmns]+ | {9})(\w* *)([<>-]?.*)$`)

// rungsOf returns the rungs of a picture, without times.
func rungsOf(picture string) (rungs []string) {
	for line := range strings.Lines(picture) {
		line = strings.TrimRight(line, "\n")
		if len(line) < 10 || strings.Contains(line, ":") || strings.HasPrefix(line, "#") || strings.Contains(line, "/") {
			continue
		}
		m := rungLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		way, rest := "", m[2]
		switch {
		case strings.HasPrefix(rest, "<-"):
			way = "<-"
		case strings.Contains(rest, "->"):
			way = "->"
		}
		words := strings.Fields(strings.NewReplacer("<-", " ", "->", " ", "--", " ", "-", " ").Replace(rest))
		all := append([]string{strings.TrimSpace(m[1]), way}, words...)
		rungs = append(rungs, strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), " "))
	}
	return rungs
}
