package tunpeer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// ErrNotTCP is returned for packets of other protocols, IPv6 packets with
// extension headers, and fragments.
var ErrNotTCP = errors.New("not a TCP segment")

// datagram is an IP packet taken apart.
type datagram struct {
	src, dst netip.Addr
	protocol byte
	body     []byte
}

// ParseSegment takes an IP packet apart. It never panics, and refuses what has
// wrong lengths or checksums. The segment shares no memory with the packet.
func ParseSegment(packet []byte) (Segment, error) {
	d, err := parseIP(packet)
	if err != nil {
		return Segment{}, err
	}
	if d.protocol != unix.IPPROTO_TCP {
		return Segment{}, ErrNotTCP
	}
	return d.segment()
}

func parseIP(b []byte) (datagram, error) {
	switch {
	case len(b) >= ipv4Header && b[0]>>4 == 4:
		return parseIPv4(b)
	case len(b) >= ipv6Header && b[0]>>4 == 6:
		return parseIPv6(b)
	}
	return datagram{}, errors.New("parse packet: neither IPv4 nor IPv6")
}

func parseIPv4(b []byte) (datagram, error) {
	header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4Header || total < header || total > len(b) {
		return datagram{}, errors.New("parse IPv4 header: length out of range")
	}
	if fold(sum(0, b[:header])) != 0xffff {
		return datagram{}, errors.New("parse IPv4 header: wrong checksum")
	}
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 { // more fragments, or an offset
		return datagram{}, ErrNotTCP
	}
	src, dst := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	return datagram{src, dst, b[9], b[header:total]}, nil
}

func parseIPv6(b []byte) (datagram, error) {
	total := ipv6Header + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return datagram{}, errors.New("parse IPv6 header: length out of range")
	}
	src, dst := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	return datagram{src, dst, b[6], b[ipv6Header:total]}, nil
}

// segment parses the body as a TCP segment.
func (d datagram) segment() (Segment, error) {
	b := d.body
	if len(b) < tcpHeader {
		return Segment{}, fmt.Errorf("parse TCP header: %d bytes", len(b))
	}
	header := int(b[12]>>4) * 4
	if header < tcpHeader || header > len(b) {
		return Segment{}, errors.New("parse TCP header: length out of range")
	}
	if pseudoSum(d.src, d.dst, d.protocol, b) != 0xffff {
		return Segment{}, errors.New("parse TCP header: wrong checksum")
	}
	options, err := parseOptions(b[tcpHeader:header])
	if err != nil {
		return Segment{}, err
	}
	return Segment{
		Src:     netip.AddrPortFrom(d.src, binary.BigEndian.Uint16(b)),
		Dst:     netip.AddrPortFrom(d.dst, binary.BigEndian.Uint16(b[2:])),
		Seq:     binary.BigEndian.Uint32(b[4:]),
		Ack:     binary.BigEndian.Uint32(b[8:]),
		Flags:   Flags(b[13]),
		Window:  binary.BigEndian.Uint16(b[14:]),
		Urgent:  binary.BigEndian.Uint16(b[18:]),
		Options: options,
		Payload: slices.Clone(b[header:]),
	}, nil
}
