package demo

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// boundSocket returns a plain TCP socket bound to a free port of an address,
// and that address and port.
func boundSocket(a netip.Addr) (fd int, at netip.AddrPort, err error) {
	domain := unix.AF_INET6
	if a.Is4() {
		domain = unix.AF_INET
	}
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, at, fmt.Errorf("socket: %w", err)
	}
	err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(a, 0)))
	if err == nil {
		at, err = boundTo(fd, a)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, at, fmt.Errorf("bind to %v: %w", a, err)
	}
	return fd, at, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// boundTo returns a with the port that the kernel chose.
func boundTo(fd int, a netip.Addr) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(a, uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(a, uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, fmt.Errorf("unexpected address %T", sa)
}
