package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/model"
)

// lose makes a namespace lose a seventh of its packets: by netem where the
// kernel is sure to have it, else by rules.
func lose(t *testing.T, ns *kerneltest.Netns) {
	t.Helper()
	if kerneltest.Guest() != "" {
		ns.Netem(t, "veth0", 1.0/7)
		return
	}
	ns.Filter(t, "input", "meta l4proto tcp numgen random mod 7 0 drop")
}

// Between two namespaces that lose packets, each retransmit that the kernel
// traces is told of: of the same socket, in the same state.
func TestRetransmitsUnderLoss(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, address := range []string{"10.99.0.2:0", "[fd99::2]:0"} {
		t.Run(address, func(t *testing.T) {
			here, there := roomy(t), roomy(t)
			kerneltest.Veth(t, here, there)
			lose(t, here)
			lose(t, there)
			p := load(t, Options{NoInventory: true})
			b := openBooks(t, p)
			r := recording{}
			f := follow(t, p, r)
			transfer(t, here, there, address)
			hidden := b.check(t)
			f.stop(t)
			lost, nested := checkDelivered(t, p, f.live.Delivered())

			type key struct {
				sk    uint64
				state string
			}
			told, witnessed := map[key]int{}, map[key]int{}
			anywhere := map[key]int{} // an orphan of a namespace that is gone may have had the same address
			sockets := map[uint64]bool{}
			total := 0
			for _, ns := range []*kerneltest.Netns{here, there} {
				for _, e := range r[ns.Inum()] {
					sockets[e.SK] = true
					if e.Kind == events.Retransmit {
						told[key{e.SK, e.To.String()}]++
						total++
						if syn := e.SegmentFlags()&2 != 0; syn != (e.To == model.SynSent) {
							t.Errorf("a segment with flags %#x in %v", e.SegmentFlags(), e.To)
						}
					}
				}
			}
			for _, all := range r {
				for _, e := range all {
					if e.Kind == events.Retransmit {
						anywhere[key{e.SK, e.To.String()}]++
					}
				}
			}
			for _, e := range b.witness.Events() {
				if e.Name == kerneltest.RetransmitSkb && sockets[e.SkAddr] {
					witnessed[key{e.SkAddr, e.State}]++
				}
			}
			missing := 0
			for k, n := range witnessed {
				missing += max(n-anywhere[k], 0)
			}
			for k, n := range told {
				if n > witnessed[k] {
					t.Errorf("%d retransmits told of in %s, %d witnessed", n, k.state, witnessed[k])
				}
			}
			if uint64(missing) > lost+nested+hidden {
				t.Errorf("%d retransmits are missing, and %d events known to be", missing, lost+nested+hidden)
			}
			if total == 0 {
				t.Error("no retransmit with a seventh of all packets lost")
			}
			t.Logf("%d retransmits, %d missing, %d hidden", total, missing, hidden)
		})
	}
}

// transfer sends something over some connections at once, and awaits its
// arrival and their end.
func transfer(t *testing.T, from, to *kerneltest.Netns, address string) {
	t.Helper()
	const connections, size = 6, 30_000
	var l net.Listener
	var err error
	to.Do(func() {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err = lc.Listen(context.Background(), "tcp", address)
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range connections {
		all.Go(func() { // the server, of any one of them
			c, err := l.Accept()
			if err != nil {
				t.Errorf("accept: %v", err)
				return
			}
			if n, err := io.Copy(io.Discard, c); err != nil || n != size {
				t.Errorf("read %d bytes: %v", n, err)
			}
			_ = c.Close() // all has been read
		})
		all.Go(func() {
			var c net.Conn
			var err error
			from.Do(func() { c, err = (&net.Dialer{Timeout: 2 * time.Minute}).Dial("tcp", l.Addr().String()) })
			if err != nil {
				t.Errorf("connect: %v", err)
				_ = l.Close() // or its server waits for ever
				return
			}
			_, err = c.Write(make([]byte, size))
			if err = errors.Join(err, c.(*net.TCPConn).CloseWrite()); err == nil {
				_, err = c.Read(make([]byte, 1)) // until the server has all
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("send: %v", err)
			}
			_ = c.Close()
		})
	}
	all.Wait()
	_ = l.Close()
}

// A retransmit that the kernel itself could not send is told of with its error.
func TestFailedRetransmit(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	needs(t, RetransmitErr)
	ns := roomy(t)
	p := load(t, Options{NoInventory: true})
	r := recording{}
	f := follow(t, p, r)
	var client *net.TCPConn
	ns.Do(func() { client, _ = kerneltest.Pair(t, kerneltest.IPv4) })
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{Also: []string{kerneltest.RetransmitSkb}})
	lport, _ := kerneltest.Ports(client)
	made := func(all []kerneltest.Event) (n int) {
		for _, e := range all {
			if e.Name == kerneltest.RetransmitSkb && e.Sport == lport {
				n++
			}
		}
		return n
	}
	more := func(n int) { // than by now
		t.Helper()
		n += made(w.Events())
		w.Await(patience, func(all []kerneltest.Event) bool { return made(all) >= n }, "attempts to send again")
	}
	// A segment must have been sent once before it can be sent again.
	ns.Filter(t, "input", "meta l4proto tcp drop")
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	more(1)
	ns.Filter(t, "output", "meta l4proto tcp drop")
	more(3)
	f.stop(t)
	failed := 0 // some may be hidden
	for _, e := range r.of(ns.Inum(), events.Retransmit) {
		if failed > 0 && e.Err == 0 {
			t.Errorf("a retransmit without error after the rule: %+v", e.Event)
		}
		if e.Err == uint16(unix.EPERM) {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no retransmit failed with EPERM")
	}
}
