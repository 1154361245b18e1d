package kerneltest

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ChurnOptions says what connections Churn makes.
type ChurnOptions struct {
	Connections int        // how many, at least 1
	IPv6        bool       // over ::1 in place of 127.0.0.0/8
	Reset       bool       // end each by an RST from the client in place of an orderly close
	Clients     int        // how many threads, 1 to 64; 0 is one per processor
	Addr        netip.Addr // listen on and connect to this local address only; the zero Addr is loopback
}

// maxClients bounds ChurnOptions.Clients.
const maxClients = 64

// Churned is what Churn made.
type Churned struct {
	Connections int
	Reset       bool
	Ports       []uint16 // of the listeners, each of which listened once and was closed
	Elapsed     time.Duration
}

// Churn makes connections from this process to itself as fast as it can, in the
// calling thread's network namespace, and returns when each has ended at both
// ends as far as its owner can tell: the last few may still be in LAST_ACK for
// an instant. It leaves a TIME_WAIT mini-socket for each that closed orderly.
func Churn(t testing.TB, o ChurnOptions) Churned {
	t.Helper()
	if o.Clients == 0 {
		o.Clients = runtime.GOMAXPROCS(0)
	}
	if o.Connections < 1 || o.Clients < 1 || o.Clients > maxClients {
		t.Fatalf("churn %d connections on %d threads: out of range", o.Connections, o.Clients)
	}
	netns, err := os.Open(ownNetns)
	if err != nil {
		t.Fatalf("churn: %v", err)
	}
	defer func() { _ = netns.Close() }()
	start := time.Now()
	ports, err := churnAll(o, netns)
	if err != nil {
		t.Fatalf("churn: %v", err)
	}
	return Churned{Connections: o.Connections, Reset: o.Reset, Ports: ports, Elapsed: time.Since(start)}
}

// churnAll shares the connections out among the threads and collects the ports
// of their listeners, and the first error.
func churnAll(o ChurnOptions, netns *os.File) (ports []uint16, err error) {
	type result struct {
		ports []uint16
		err   error
	}
	results := make(chan result, o.Clients)
	for i := range o.Clients {
		c := churner{options: o, index: i, share: share(o.Connections, o.Clients, i)}
		go func() {
			err := c.runIn(netns)
			results <- result{c.ports, err}
		}()
	}
	for range o.Clients {
		r := <-results
		ports = append(ports, r.ports...)
		if err == nil {
			err = r.err
		}
	}
	return ports, err
}

// share is the i-th of parts nearly equal parts of total.
func share(total, parts, i int) int { return total*(i+1)/parts - total*i/parts }

// Transitions returns how many transitions from one state to another the
// churned connections and their listeners made in all, by names.
func (c Churned) Transitions() map[[2]string]int {
	n, l := c.Connections, len(c.Ports)
	counts := map[[2]string]int{
		{"CLOSE", "LISTEN"}: l, {"LISTEN", "CLOSE"}: l,
		{"CLOSE", "SYN_SENT"}: n, {"SYN_SENT", "ESTABLISHED"}: n,
		{"LISTEN", "SYN_RECV"}: n, {"SYN_RECV", "ESTABLISHED"}: n,
	}
	if c.Reset {
		counts[[2]string{"ESTABLISHED", "CLOSE"}] = 2 * n
		return counts
	}
	for _, pair := range [][2]string{
		{"ESTABLISHED", "FIN_WAIT1"}, {"FIN_WAIT1", "FIN_WAIT2"}, {"FIN_WAIT2", "CLOSE"},
		{"ESTABLISHED", "CLOSE_WAIT"}, {"CLOSE_WAIT", "LAST_ACK"}, {"LAST_ACK", "CLOSE"},
	} {
		counts[pair] = n
	}
	return counts
}

// Total returns the sum of Transitions.
func (c Churned) Total() int {
	total := 0
	for _, n := range c.Transitions() {
		total += n
	}
	return total
}

// Rate returns connections per second.
func (c Churned) Rate() float64 { return float64(c.Connections) / c.Elapsed.Seconds() }

// churnPatience bounds each system call that may wait for the other end.
const churnPatience = 30 * time.Second

// perListener is how many connections go to one listener's port, and
// perAddress how many of them to one address. A connected or waiting socket
// occupies its local port towards one address and port only; with few of those
// in use (there are about 28,000), the kernel finds a free one at once.
const (
	perListener = 8000
	perAddress  = 1000
)

// churner is one thread's part of Churn: it is the client and the server of its
// connections, one after the other.
type churner struct {
	options ChurnOptions
	index   int
	share   int // of the connections
	made    int
	ports   []uint16
	byte1   [1]byte // to read into
}

func (c *churner) runIn(netns *os.File) error {
	return inOtherNetns(func() error { return enterIfOther(netns) }, c.run)
}

// enterIfOther moves the calling thread to a namespace that it is not in yet,
// which alone needs a privilege.
func enterIfOther(netns *os.File) error {
	here, err := os.Open(ownNetns)
	if err != nil {
		return err
	}
	defer func() { _ = here.Close() }()
	is, err := netnsInum(here)
	if err != nil {
		return err
	}
	want, err := netnsInum(netns)
	if err != nil || is == want {
		return err
	}
	return enter(netns)
}

func (c *churner) run() error {
	for c.made < c.share {
		if err := c.useListener(min(perListener, c.share-c.made)); err != nil {
			return fmt.Errorf("connection %d of thread %d: %w", c.made, c.index, err)
		}
	}
	return nil
}

// useListener makes a listener, n connections to it, and closes it.
func (c *churner) useListener(n int) error {
	l, port, err := churnListen(c.listenAddr())
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(l) }()
	c.ports = append(c.ports, port)
	for range n {
		if err := c.connection(l, c.target(port)); err != nil {
			return err
		}
		c.made++
	}
	return nil
}

// listenAddr is where the listeners listen.
func (c *churner) listenAddr() netip.Addr {
	switch {
	case c.options.Addr.IsValid():
		return c.options.Addr
	case c.options.IPv6:
		return netip.IPv6Loopback()
	}
	return netip.IPv4Unspecified() // all of 127.0.0.0/8
}

// target is where the next connection goes. Threads and thousands of
// connections have addresses of their own: 127.(1+thread).x.y.
func (c *churner) target(port uint16) unix.Sockaddr {
	to := c.listenAddr()
	if to.IsUnspecified() {
		hop := c.made / perAddress
		to = netip.AddrFrom4([4]byte{127, byte(1 + c.index), byte(hop >> 8), byte(1 + hop&0x7f)})
	}
	return sockaddr(to, port)
}

// connection makes one connection to the listener l and ends it.
func (c *churner) connection(l int, to unix.Sockaddr) error {
	client, err := churnConnect(to)
	if err != nil {
		return err
	}
	server, err := acceptFD(l)
	if err != nil {
		_ = unix.Close(client)
		return fmt.Errorf("accept: %w", err)
	}
	if c.options.Reset {
		return c.reset(client, server)
	}
	return c.orderly(client, server)
}

// orderly closes a connection: the client first, then, when it has read the end
// of the stream, the server.
func (c *churner) orderly(client, server int) error {
	err := unix.Shutdown(client, unix.SHUT_WR)
	if err == nil {
		err = c.readEnd(server)
	}
	_ = unix.Close(server)
	if err == nil {
		err = c.readEnd(client)
	}
	_ = unix.Close(client)
	if err != nil {
		return fmt.Errorf("close orderly: %w", err)
	}
	return nil
}

// reset ends a connection by an RST from the client, which the server reads.
func (c *churner) reset(client, server int) error {
	err := unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 0})
	_ = unix.Close(client)
	if err == nil {
		err = c.readEnd(server)
	}
	_ = unix.Close(server)
	if err != unix.ECONNRESET {
		return fmt.Errorf("reset: the server read %v", err)
	}
	return nil
}

// readEnd reads the end of the stream, or the error in its place.
func (c *churner) readEnd(fd int) error {
	n, err := retry(func() (int, error) { return unix.Read(fd, c.byte1[:]) })
	if err == nil && n != 0 {
		err = fmt.Errorf("read %d bytes in place of the end", n)
	}
	return err
}
