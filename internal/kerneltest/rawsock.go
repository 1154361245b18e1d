package kerneltest

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

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

// sockaddr converts an address and a port.
func sockaddr(a netip.Addr, port uint16) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(port), Addr: a.As16()}
}

// churnListen returns a blocking TCP listener on a free port, which, as what it
// accepts, gives up waiting after churnPatience.
func churnListen(a netip.Addr) (fd int, port uint16, err error) {
	domain := unix.AF_INET6
	if a.Is4() {
		domain = unix.AF_INET
	}
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, 0, fmt.Errorf("socket: %w", err)
	}
	if port, err = listenOn(fd, a); err != nil {
		_ = unix.Close(fd)
		return -1, 0, fmt.Errorf("listen on %v: %w", a, err)
	}
	return fd, port, nil
}

// listenOn makes a socket a listener and returns its port.
func listenOn(fd int, a netip.Addr) (uint16, error) {
	if err := setPatience(fd); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, sockaddr(a, 0)); err != nil {
		return 0, err
	}
	if err := unix.Listen(fd, 16); err != nil {
		return 0, err
	}
	return boundPort(fd)
}

// churnConnect returns a connected blocking socket.
func churnConnect(to unix.Sockaddr) (fd int, err error) {
	domain := unix.AF_INET6
	if _, is4 := to.(*unix.SockaddrInet4); is4 {
		domain = unix.AF_INET
	}
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err = setPatience(fd); err == nil {
		_, err = retry(func() (int, error) { return 0, unix.Connect(fd, to) })
	}
	if err != nil && err != unix.EISCONN { // the interrupted call had connected it
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// acceptFD accepts a connection as a blocking socket.
func acceptFD(l int) (int, error) {
	return retry(func() (int, error) {
		fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
		return fd, err
	})
}

// setPatience bounds how long reading, accepting and connecting may wait.
func setPatience(fd int) error {
	tv := unix.NsecToTimeval(churnPatience.Nanoseconds())
	return errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv),
	)
}

// boundPort returns the local port of a socket.
func boundPort(fd int) (uint16, error) {
	a, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("getsockname: %w", err)
	}
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port), nil
	case *unix.SockaddrInet6:
		return uint16(a.Port), nil
	}
	return 0, fmt.Errorf("getsockname: unexpected address %T", a)
}
