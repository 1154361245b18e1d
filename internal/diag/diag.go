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

// Dump hands each TCP socket, of IPv4 and IPv6, in one of the states (bits of
// 1 << state) to each, as struct inet_diag_msg, in the calling thread's network
// namespace. each must not keep it.
//
// The kernel walks its whole table of sockets, which all namespaces share, for each
// dump: the older request asks for both families at once (inet_diag_dump_compat, 5.8
// to 7.1).
func Dump(states uint32, each func(socket []byte)) (err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("dump sockets: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.Sendto(fd, request(states), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
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

// tcpDiag is TCPDIAG_GETSOCK, the kind of the older request and of its answers.
const tcpDiag = 18

// request is struct nlmsghdr and struct inet_diag_req.
func request(states uint32) []byte {
	const sizeofRequest, idiagStates = 60, 52
	b := make([]byte, unix.NLMSG_HDRLEN+sizeofRequest)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], tcpDiag)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(b[unix.NLMSG_HDRLEN+idiagStates:], states)
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
		case tcpDiag:
			each(payload)
		}
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return false, nil
}

// Bound returns the ports of the calling thread's network namespace that are only
// bound, each once, and whether this kernel shows them: it binds one itself, and
// looks for it.
func Bound() (ports []uint16, shown bool, err error) {
	own, port, err := bind()
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, unix.Close(own)) }()
	others := 0 // of our port: SO_REUSEADDR lets many have one
	err = Dump(1<<boundInactive, func(socket []byte) {
		switch found, ok := portOf(socket); {
		case !ok:
		case found == port:
			others++
		default:
			ports = append(ports, found)
		}
	})
	if err != nil {
		return nil, false, err
	}
	if others > 1 {
		ports = append(ports, port)
	}
	slices.Sort(ports)
	return slices.Compact(ports), others > 0, nil
}

// bind binds a socket to a port that the kernel chooses.
func bind() (fd int, port uint16, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, 0, fmt.Errorf("bind a port: %w", err)
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{})
	var name unix.Sockaddr
	if err == nil {
		name, err = unix.Getsockname(fd)
	}
	if err != nil {
		return -1, 0, errors.Join(fmt.Errorf("bind a port: %w", err), unix.Close(fd))
	}
	return fd, uint16(name.(*unix.SockaddrInet4).Port), nil
}

func portOf(socket []byte) (port uint16, ok bool) {
	const idiagSport = 4
	if len(socket) < idiagSport+2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(socket[idiagSport:]), true
}
