package kerneltest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// attr is a routing attribute: its type and its value, which may be a sequence
// of others.
func attr(kind uint16, value ...[]byte) []byte {
	b := make([]byte, unix.SizeofRtAttr)
	for _, v := range value {
		b = append(b, v...)
	}
	binary.NativeEndian.PutUint16(b, uint16(len(b)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	for len(b)%unix.RTA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

// u32 is a number as an attribute's value.
func u32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// link is struct ifinfomsg: the interface with an index, with the flags of mask
// set to those of flags.
func link(index int32, flags, mask uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], mask)
	return b
}

// address is struct ifaddrmsg with its attributes: a prefix for the interface
// with an index, without duplicate address detection, which would keep an IPv6
// address unusable for a second.
func address(index int32, p netip.Prefix) []byte {
	b := make([]byte, unix.SizeofIfAddrmsg)
	b[0] = unix.AF_INET6
	if p.Addr().Is4() {
		b[0] = unix.AF_INET
	}
	b[1], b[2] = byte(p.Bits()), unix.IFA_F_NODAD
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	b = append(b, attr(unix.IFA_LOCAL, p.Addr().AsSlice())...)
	return append(b, attr(unix.IFA_ADDRESS, p.Addr().AsSlice())...)
}

// neighbour is struct ndmsg with its attributes: an address that is for ever at a
// hardware address, on the interface with an index.
func neighbour(index int32, a netip.Addr, at net.HardwareAddr) []byte {
	b := make([]byte, unix.SizeofNdMsg)
	b[0] = unix.AF_INET6
	if a.Is4() {
		b[0] = unix.AF_INET
	}
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint16(b[8:], unix.NUD_PERMANENT)
	b = append(b, attr(unix.NDA_DST, a.AsSlice())...)
	return append(b, attr(unix.NDA_LLADDR, at)...)
}

// route sends one request to the kernel's routing subsystem, in the network
// namespace of the calling thread, and waits for its acknowledgement.
func route(kind, flags uint16, body ...[]byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	msg := make([]byte, unix.SizeofNlMsghdr)
	for _, b := range body {
		msg = append(msg, b...)
	}
	binary.NativeEndian.PutUint32(msg, uint32(len(msg)))
	binary.NativeEndian.PutUint16(msg[4:], kind)
	binary.NativeEndian.PutUint16(msg[6:], flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink send: %w", err)
	}
	return acknowledged(fd)
}

// acknowledged reads the answer to a request: struct nlmsghdr, then the error
// number.
func acknowledged(fd int) error {
	answer := make([]byte, unix.Getpagesize())
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return fmt.Errorf("netlink receive: %w", err)
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("netlink receive: %d bytes that are no acknowledgement", n)
	}
	if errno := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); errno != 0 {
		return unix.Errno(-errno)
	}
	return nil
}
