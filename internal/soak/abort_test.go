package soak

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// abortPort is where the test itself listens, to make the ends that no program
// above makes at will.
const abortPort = 7001

// at is the address of a server.
func at(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// connectNowhere makes a connection that is refused.
func connectNowhere(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp", at(closedPort))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("connect to a closed port: %v, %v", c, err)
	}
}

// pairs makes connections of the test's own until it is closed.
type pairs struct {
	r *room
	l net.Listener
}

func (r *room) pairs() *pairs {
	r.t.Helper()
	p := &pairs{r: r}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	var err error
	r.ns.Do(func() { p.l, err = lc.Listen(context.Background(), "tcp", at(abortPort)) })
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// pair makes a connection; options are those of the client.
func (p *pairs) pair(options ...option) (client, server *net.TCPConn) {
	p.r.t.Helper()
	c, err := p.r.dial()
	p.r.must(err)
	s, err := p.l.Accept()
	p.r.must(err)
	client, server = c.(*net.TCPConn), s.(*net.TCPConn)
	for _, o := range options {
		p.r.must(o.set(client))
	}
	return client, server
}

func (r *room) dial() (c net.Conn, err error) {
	r.ns.Do(func() { c, err = net.Dial("tcp", at(abortPort)) })
	return c, err
}

func (r *room) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// option is one of a TCP socket.
type option struct{ name, value int }

func (o option) set(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	err = raw.Control(func(fd uintptr) { setErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, o.name, o.value) })
	return errors.Join(err, setErr)
}

// abort makes each end that an application forces.
func abort(r *room) {
	r.t.Helper()
	p := r.pairs()
	for range 10 {
		client, server := p.pair()
		r.must(client.SetLinger(0))
		r.must(client.Close())
		r.must(server.Close())

		client, server = p.pair() // data after close()
		r.must(errors.Join(server.CloseRead(), server.CloseWrite()))
		_, err := client.Write([]byte("late"))
		r.must(err)
		r.must(errors.Join(client.Close(), server.Close()))

		client, server = p.pair(option{unix.TCP_LINGER2, -1})
		r.must(client.CloseWrite())
		time.Sleep(60 * time.Millisecond) // the FIN's acknowledgment may be delayed
		r.must(errors.Join(client.Close(), server.Close()))
	}
	client, server := p.pair() // the listener ends with a connection that nobody accepted
	waiting, err := r.dial()
	r.must(err)
	r.must(errors.Join(p.l.Close(), client.Close(), server.Close()))
	r.must(waiting.Close())
}

// unanswered makes connections whose client is not heard any more: one sends, one
// is idle, one has closed.
func unanswered(r *room) {
	r.t.Helper()
	p := r.pairs()
	sends, s1 := p.pair(option{unix.TCP_USER_TIMEOUT, 500})
	idle, s2 := p.pair(option{unix.TCP_KEEPIDLE, 1}, option{unix.TCP_KEEPINTVL, 1}, option{unix.TCP_KEEPCNT, 1})
	closed, s3 := p.pair()
	r.ns.Filter(r.t, "input", fmt.Sprintf("tcp dport %d drop", abortPort))
	_, err := sends.Write([]byte("lost"))
	r.must(err)
	r.must(closed.Close())
	for _, c := range []*net.TCPConn{sends, idle} {
		r.must(c.SetReadDeadline(time.Now().Add(patience)))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) {
			r.t.Fatalf("read what nobody answers: %v", err)
		}
	}
	time.Sleep(3 * time.Second) // the orphan gives up
	r.ns.Filter(r.t, "input")
	r.must(errors.Join(sends.Close(), idle.Close(), s1.Close(), s2.Close(), s3.Close(), p.l.Close()))
}

// overflow connects to a listener whose accept queue is full.
func overflow(r *room) {
	r.t.Helper()
	var l int
	var err error
	r.ns.Do(func() { l, err = listenWithoutRoom() })
	r.must(err)
	queued, err := r.dial()
	r.must(err)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if c, err := r.dial(); !errors.Is(err, syscall.ETIMEDOUT) {
				r.t.Errorf("connect to a full queue: %v, %v", c, err)
			}
		})
	}
	wg.Wait()
	r.must(errors.Join(os.NewSyscallError("close", unix.Close(l)), queued.Close()))
}

// listenWithoutRoom listens with an accept queue for one connection.
func listenWithoutRoom() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 77, 0, 1}, Port: abortPort}); err != nil {
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, os.NewSyscallError("listen", unix.Listen(fd, 0))
}
