// Package diag asks the kernel for the TCP sockets of a network namespace as ss
// does (NETLINK_SOCK_DIAG): for what no iterator shows.
package diag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// AllStates is every state in a mask of states.
const AllStates = ^uint32(0)

// boundInactive is TCP_BOUND_INACTIVE: who asks for it gets the sockets that are
// bound to a port, and neither connected nor listening, as TCP_CLOSE (Linux 6.8;
// before, no dump shows these).
const boundInactive = 13

// Dump hands each TCP socket of a family in one of the states (bits of 1 << state)
// to each, as struct inet_diag_msg, in the calling thread's network namespace. each
// must not keep it.
func Dump(family uint8, states uint32, each func(socket []byte)) (err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("dump sockets: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.Sendto(fd, request(family, states), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("dump sockets: %w", err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("dump sockets: %w", err)
		}
		if done, err := parse(buf[:n], each); done || err != nil {
			return err
		}
	}
}

// request is struct nlmsghdr and struct inet_diag_req_v2.
func request(family uint8, states uint32) []byte {
	const sizeofRequest = 56
	b := make([]byte, unix.NLMSG_HDRLEN+sizeofRequest)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request := b[unix.NLMSG_HDRLEN:]
	request[0], request[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], states)
	return b
}

// parse hands on the sockets of one message after the other, and looks for the one
// that ends a dump, or says why there is none.
func parse(b []byte, each func([]byte)) (done bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return false, fmt.Errorf("dump sockets: message of %d bytes in %d", size, len(b))
		}
		payload := b[unix.NLMSG_HDRLEN:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(payload) < 4 {
				return false, fmt.Errorf("dump sockets: error message of %d bytes", size)
			}
			errno := unix.Errno(-int32(binary.NativeEndian.Uint32(payload)))
			return true, os.NewSyscallError("sock_diag", errno)
		case unix.SOCK_DIAG_BY_FAMILY:
			each(payload)
		}
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return false, nil
}

// Bound returns the ports of the calling thread's network namespace that are only
// bound, each once. Where ShowsBound says no, there are none.
func Bound() (ports []uint16, err error) {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		err := Dump(family, 1<<boundInactive, func(socket []byte) {
			if port, ok := portOf(socket); ok {
				ports = append(ports, port)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

func portOf(socket []byte) (port uint16, ok bool) {
	const idiagSport = 4
	if len(socket) < idiagSport+2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(socket[idiagSport:]), true
}

// ShowsBound reports whether this kernel's dumps show sockets that are only bound:
// it binds one, and looks for it.
func ShowsBound() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) != nil {
		return false
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	ports, err := Bound()
	return err == nil && slices.Contains(ports, uint16(name.(*unix.SockaddrInet4).Port))
}
