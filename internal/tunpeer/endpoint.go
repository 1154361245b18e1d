package tunpeer

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// endpoint is the kernel's side of a connection: the sockets that a script
// holds. None of them blocks.
type endpoint struct {
	netns    *kerneltest.Netns
	at, peer netip.AddrPort
	listener int // -1 if there is none
	conn     int // likewise
	patience time.Duration
}

func newEndpoint(netns *kerneltest.Netns, at, peer netip.AddrPort) *endpoint {
	return &endpoint{netns: netns, at: at, peer: peer, listener: -1, conn: -1, patience: patience}
}

// sockaddr converts an address and a port.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// bound returns a socket of the namespace, bound to the connection's port.
func (k *endpoint) bound() (fd int, err error) {
	domain := unix.AF_INET6
	if k.at.Addr().Is4() {
		domain = unix.AF_INET
	}
	k.netns.Do(func() {
		fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	})
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // beside a TIME_WAIT of the script's
	if err == nil {
		err = unix.Bind(fd, sockaddr(k.at))
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("bind %v: %w", k.at, err)
	}
	return fd, nil
}

// backlog is the listener's: more than a script can make.
const backlog = 16

func (k *endpoint) listen() error {
	fd, err := k.bound()
	if err != nil {
		return err
	}
	_, k.listener = k.unlisten(), fd
	return unix.Listen(fd, backlog)
}

// connect begins to connect.
func (k *endpoint) connect() error {
	fd, err := k.bound()
	if err != nil {
		return err
	}
	_, k.conn = k.close(), fd
	if err := unix.Connect(fd, sockaddr(k.peer)); err != unix.EINPROGRESS {
		return fmt.Errorf("connect: got %v, want %w", err, unix.EINPROGRESS)
	}
	return nil
}

// accept takes the connection from the listener, when it is there.
func (k *endpoint) accept() error {
	fd := -1
	err := awaitNoError(k.patience, func() (err error) {
		fd, _, err = unix.Accept4(k.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return err
	})
	if err != nil {
		return err
	}
	_, k.conn = k.close(), fd
	return nil
}

// read waits for exactly this text, an empty one being the end of the stream.
func (k *endpoint) read(want string) error {
	buffer := make([]byte, max(1, len(want)))
	got := 0
	err := awaitNoError(k.patience, func() error {
		n, err := unix.Read(k.conn, buffer[got:])
		got += max(n, 0)
		if err == nil && n > 0 && got < len(want) {
			err = unix.EAGAIN // more is to come
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("got %q and %w, want %q", buffer[:got], err, want)
	}
	if string(buffer[:got]) != want {
		return fmt.Errorf("got %q, want %q", buffer[:got], want)
	}
	return nil
}

// readError waits until reading fails with this error.
func (k *endpoint) readError(want unix.Errno) error {
	return awaitNoError(k.patience, func() error {
		n, err := unix.Read(k.conn, make([]byte, 1))
		if err != want {
			return fmt.Errorf("got %d bytes and %v, want %w", max(n, 0), err, want)
		}
		return nil
	})
}

// error waits until the socket has this error pending, and takes it.
func (k *endpoint) error(want unix.Errno) error {
	return awaitNoError(k.patience, func() error {
		n, err := unix.GetsockoptInt(k.conn, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && unix.Errno(n) != want {
			err = fmt.Errorf("got %v, want %w", unix.Errno(n), want)
		}
		return err
	})
}

func (k *endpoint) write(text string) error {
	n, err := unix.Write(k.conn, []byte(text))
	if err == nil && n < len(text) {
		err = errors.New("the socket took only a part")
	}
	return err
}

func (k *endpoint) linger(seconds int) error {
	return unix.SetsockoptLinger(k.conn, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: int32(seconds)})
}

// disconnect is connect(AF_UNSPEC), which ends a connection at once.
func (k *endpoint) disconnect() error {
	unspec := unix.RawSockaddr{Family: unix.AF_UNSPEC} // package unix has no type for it
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(k.conn), uintptr(unsafe.Pointer(&unspec)), unsafe.Sizeof(unspec))
	if errno != 0 {
		return errno
	}
	return nil
}

// kill is ss -K of the connection, or of the listener while there is none.
func (k *endpoint) kill() (err error) {
	filter := []string{"-K", "-tan", "src", ss(k.at)}
	if k.conn >= 0 {
		filter = append(filter, "dst", ss(k.peer))
	}
	var out []byte
	k.netns.Do(func() { out, err = exec.Command("ss", filter...).CombinedOutput() })
	if err != nil {
		return fmt.Errorf("ss: %w: %s", err, out)
	}
	if !bytes.Contains(out, []byte(strconv.Itoa(int(k.at.Port())))) {
		return fmt.Errorf("ss killed nothing: %s", out)
	}
	return nil
}

// ss writes an address and a port as ss reads them.
func ss(a netip.AddrPort) string {
	if a.Addr().Is4() {
		return a.String()
	}
	return fmt.Sprintf("[%v]:%d", a.Addr(), a.Port())
}

// setsockopt sets an option on the connection, or on the listener while there is
// none, which hands it down.
func (k *endpoint) setsockopt(o option, value int) error {
	fd := k.conn
	if fd < 0 {
		fd = k.listener
	}
	return unix.SetsockoptInt(fd, o.level, o.name, value)
}

// sysctl sets a parameter of the namespace.
func (k *endpoint) sysctl(name, value string) (err error) {
	path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	k.netns.Do(func() { err = os.WriteFile(path, []byte(value), 0) })
	return err
}

// close closes the connection's socket.
func (k *endpoint) close() error { return shut(&k.conn) }

// unlisten closes the listener.
func (k *endpoint) unlisten() error { return shut(&k.listener) }

// closeAll closes what the script left open.
func (k *endpoint) closeAll() { _, _ = k.close(), k.unlisten() }

// shut closes a descriptor, if it is one, and forgets it.
func shut(fd *int) error {
	if *fd < 0 {
		return nil
	}
	err := unix.Close(*fd)
	*fd = -1
	return err
}
