package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// On loopback the kernel does one end's work in the other end's process. Of the
// connections between two processes, no line of a stream and no row of an
// inventory gives one the other's socket.
func TestNoSocketIsTheOtherEnds(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "20000 60000")
	server := inNetns(ns, func() *helper { return startHelper(t, "serve", "127.0.0.1:0", "server") })
	port := addrPortOf(t, server.addr)
	r := start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	r.ready(ns)

	total := kerneltest.Load(2000)
	done := make(chan struct{})
	go func() { // what it says must not fill its pipe
		defer close(done)
		for range total {
			server.next()
		}
	}()
	const clients = 4
	var dialing sync.WaitGroup
	for i := range clients {
		dialing.Go(func() {
			ns.Do(func() {
				for range total*(i+1)/clients - total*i/clients {
					if err := exchange(server.addr); err != nil {
						t.Error(err)
						return
					}
				}
			})
		})
	}
	var rows []line
	for range 5 {
		rows = append(rows, parseLines(t, mustOutput(t, "sockets", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum())))...)
	}
	dialing.Wait()
	<-done
	// The last of all is closed and told of.
	last := inNetns(ns, func() net.Conn {
		c, err := net.Dial("tcp", server.addr)
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
	lastPort := addrPortOf(t, last.LocalAddr().String())
	if err := last.Close(); err != nil {
		t.Fatal(err)
	}
	r.await(t, func(l *line) bool { return l.Event == "closed" && l.Rport == lastPort }, "the last connection's end")
	r.interrupt()

	owners := map[string]int{}
	for what, lines := range map[string][]line{"trace": r.lines(), "sockets": rows} {
		for i := range lines {
			l := &lines[i]
			if !l.involves(port) {
				continue
			}
			truth, end := uint32(pidOfTest), "client"
			if l.Lport == port {
				truth, end = server.pid(), "server"
			}
			owners[fmt.Sprint(what, " ", end, " ", l.Owner.Provenance)]++
			switch p := l.Owner.Provenance; {
			case p == "unknown" && l.Owner.PID == 0:
			case p == "inherited" && end == "server" && l.Owner.PID == truth:
			case p == "exact" && l.Owner.PID == truth:
			default:
				t.Errorf("%s: the %s's socket is given to another: %v", what, end, l)
			}
		}
	}
	t.Log(owners)
	for _, want := range []string{"trace client exact", "trace server inherited", "trace server exact"} {
		if owners[want] < total {
			t.Errorf("%d lines of %s, want at least one of each of %d connections", owners[want], want, total)
		}
	}
}

// exchange makes a connection, sends a byte, and sees it closed by both ends.
func exchange(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c)
	return err
}
