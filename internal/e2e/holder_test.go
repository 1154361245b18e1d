package e2e

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// fdOf returns the descriptor of a connection.
func fdOf(t *testing.T, c *net.TCPConn) (n int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n = int(fd) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The holder of a socket is named, also of one that was reset and is still
// held, which ss does not show, and in a namespace that nothing but a
// descriptor leads to.
func TestSocketsNameTheHolder(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprintf("named=%v", named), func(t *testing.T) {
			ns := newNetns(t)
			if named {
				ns.Named(fmt.Sprintf("tcpwatch-held-%d", os.Getpid()))
			}
			var client, server, resetter, held *net.TCPConn
			ns.Do(func() {
				client, server = kerneltest.Pair(t, kerneltest.IPv4)
				resetter, held = kerneltest.Pair(t, kerneltest.IPv6)
			})
			if err := resetter.SetLinger(0); err != nil {
				t.Fatal(err)
			}
			if err := resetter.Close(); err != nil {
				t.Fatal(err)
			}
			found := parseArray(t, mustOutput(t, "sockets", "-o", "json", "--netns", fmt.Sprint(ns.Inum())))
			for _, want := range []struct {
				c     *net.TCPConn
				state string
				held  bool
			}{{client, "ESTABLISHED", false}, {server, "ESTABLISHED", false}, {held, "CLOSE", true}} {
				lport, rport := kerneltest.Ports(want.c)
				lines := sift(found, func(l *line) bool { return l.Lport == lport && l.Rport == rport })
				if len(lines) != 1 {
					t.Errorf("port %d is found %d times", lport, len(lines))
					continue
				}
				l := &lines[0]
				if l.State != want.state || l.Held != want.held {
					t.Errorf("%v: %s, held %v; want %s, %v", l, l.State, l.Held, want.state, want.held)
				}
				if o := l.Owner; o.PID != uint32(pidOfTest) || o.FD == nil || *o.FD != fdOf(t, want.c) || o.Provenance != "exact" {
					t.Errorf("owner of %v: want %d with fd %d", l, pidOfTest, fdOf(t, want.c))
				}
			}
		})
	}
}
