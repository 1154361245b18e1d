package mill

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds each system call that waits for another end.
const patience = 30 * time.Second

// maxRetries bounds how often an interrupted system call is made again.
const maxRetries = 1000

// retry makes a system call again while signals interrupt it: the Go runtime
// sends itself many.
func retry(call func() (int, error)) (n int, err error) {
	for range maxRetries {
		if n, err = call(); err != unix.EINTR {
			break
		}
	}
	return n, err
}

// onThread runs f on a thread that ends with it.
func onThread(f func()) {
	runtime.LockOSThread()
	f()
}

// end is one end of a connection, or a listener.
type end struct {
	room      int
	fd        int // in this process; -1: none
	theirs    int // in the keeper; -1: none
	child     *child
	float     []int // a pair of Unix sockets, with a message that nobody has received
	cookie    uint64
	states    []string
	connected bool
}

func newEnd(room, fd int, states ...string) end {
	e := end{room: room, fd: fd, theirs: -1, states: states, connected: true}
	if fd >= 0 {
		e.cookie, _ = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE) // 0 matches nothing
	}
	return e
}

// is notes the states that the end may be in from now on.
func (e *end) is(states ...string) { e.states = states }

// may reports whether the end may be in a state.
func (e *end) may(state string) bool { return slices.Contains(e.states, state) }

// exists reports whether anybody can still use the socket.
func (e *end) exists() bool { return e.fd >= 0 || e.theirs >= 0 || e.child != nil || e.float != nil }

// holders lists who can.
func (e *end) holders(self, keeper int) (all []Holder) {
	if e.fd >= 0 {
		all = append(all, Holder{self, e.fd})
	}
	if e.theirs >= 0 {
		all = append(all, Holder{keeper, e.theirs})
	}
	if e.child != nil {
		all = append(all, Holder{e.child.pid, inheritedFD})
	}
	return all
}

// close closes this process's descriptor.
func (e *end) close() error {
	if e.fd < 0 {
		return nil
	}
	fd := e.fd
	e.fd = -1
	return unix.Close(fd)
}

// reset closes this process's descriptor so that the other end gets an RST.
func (e *end) reset() error {
	return errors.Join(unix.SetsockoptLinger(e.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), e.close())
}

// launch leaves this process's descriptor in a message on its way.
func (e *end) launch() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	e.float = pair[:]
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(e.fd), nil, 0); err != nil {
		return fmt.Errorf("send descriptor: %w", err)
	}
	return e.close()
}

// sink drops the message, and what is in it.
func (e *end) sink() error {
	pair := e.float
	e.float = nil
	for _, fd := range pair {
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

// readEnd waits for the end of the stream.
func (e *end) readEnd() error {
	n, err := retry(func() (int, error) { return unix.Read(e.fd, make([]byte, 1)) })
	if err == nil && n != 0 {
		err = errors.New("data in place of the end")
	}
	return err
}

func domain(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// socket returns a socket that gives up waiting after patience.
func socket(domain int) (int, error) {
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	tv := unix.NsecToTimeval(patience.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv),
	)
	return fd, err
}

// listen returns a listener on all addresses of a family, IPv4 for 0.0.0.0.
func listen(on netip.Addr) (fd int, port uint16, err error) {
	if fd, err = socket(domain(on)); err != nil {
		return -1, 0, err
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(on, 0))); err != nil {
		return -1, 0, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(fd, 16); err != nil {
		return -1, 0, fmt.Errorf("listen: %w", err)
	}
	a, err := unix.Getsockname(fd)
	if err != nil {
		return -1, 0, fmt.Errorf("getsockname: %w", err)
	}
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		port = uint16(a.Port)
	case *unix.SockaddrInet6:
		port = uint16(a.Port)
	}
	return fd, port, nil
}

// connect returns a connected socket.
func connect(to netip.AddrPort) (fd int, err error) {
	if fd, err = socket(domain(to.Addr())); err != nil {
		return -1, err
	}
	_, err = retry(func() (int, error) { return 0, unix.Connect(fd, sockaddr(to)) })
	if err == unix.EISCONN { // the interrupted call had connected it
		err = nil
	}
	return fd, err
}

func accept(l int) (int, error) {
	return retry(func() (int, error) {
		fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
		return fd, err
	})
}
