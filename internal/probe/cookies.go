package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// giveCookies makes the kernel give a cookie to each TCP socket of the calling
// thread's network namespace, by asking for them all as ss does (inet_sk_diag_fill
// calls sock_diag_save_cookie, every version). Where programs cannot ask for
// cookies, an iterator then finds them.
func giveCookies() error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := dumpSockets(family); err != nil {
			return fmt.Errorf("dump sockets: %w", err)
		}
	}
	return nil
}

// dumpSockets requests a dump of all TCP sockets and lets it pass by.
func dumpSockets(family uint8) (err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.Sendto(fd, dumpRequest(family), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := endOfDump(buf[:n]); done || err != nil {
			return err
		}
	}
}

// dumpRequest is struct nlmsghdr and struct inet_diag_req_v2: all states.
func dumpRequest(family uint8) []byte {
	const sizeofRequest = 56
	b := make([]byte, unix.NLMSG_HDRLEN+sizeofRequest)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request := b[unix.NLMSG_HDRLEN:]
	request[0], request[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], ^uint32(0))
	return b
}

// endOfDump looks for the message that ends a dump, or says why there is none.
func endOfDump(b []byte) (done bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return false, fmt.Errorf("message of %d bytes in %d", size, len(b))
		}
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if size < unix.NLMSG_HDRLEN+4 {
				return false, fmt.Errorf("error message of %d bytes", size)
			}
			errno := unix.Errno(-int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])))
			return true, os.NewSyscallError("sock_diag", errno)
		}
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return false, nil
}
