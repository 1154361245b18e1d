package tunpeer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The fixed parts of the headers, in bytes.
const (
	ipv4Header = 20
	ipv6Header = 40
	tcpHeader  = 20
)

// checksumAt is where a TCP header has its checksum.
const checksumAt = 16

// maxPacket is the largest packet, in bytes, by the length fields of IP.
const maxPacket = 65535

// Marshal returns the segment as an IP packet with correct lengths and
// checksums. It fails if the addresses are not of one family, the options do
// not fit, or the packet would be too large.
func (s Segment) Marshal() ([]byte, error) {
	options, err := s.Options.marshal()
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint16(nil, s.Src.Port())
	b = binary.BigEndian.AppendUint16(b, s.Dst.Port())
	b = binary.BigEndian.AppendUint32(b, s.Seq)
	b = binary.BigEndian.AppendUint32(b, s.Ack)
	b = append(b, byte((tcpHeader+len(options))/4)<<4, byte(s.Flags))
	b = binary.BigEndian.AppendUint16(b, s.Window)
	b = append(b, 0, 0) // the checksum
	b = binary.BigEndian.AppendUint16(b, s.Urgent)
	b = append(b, options...)
	b = append(b, s.Payload...)
	src, dst := s.Src.Addr(), s.Dst.Addr()
	binary.BigEndian.PutUint16(b[checksumAt:], ^pseudoSum(src, dst, unix.IPPROTO_TCP, b))
	if s.BadChecksum {
		b[checksumAt] ^= 0x55
	}
	return ipPacket(src, dst, unix.IPPROTO_TCP, b)
}

// ipPacket puts an IP header before body.
func ipPacket(src, dst netip.Addr, protocol byte, body []byte) ([]byte, error) {
	if src.Is4() != dst.Is4() || !src.IsValid() || !dst.IsValid() {
		return nil, fmt.Errorf("marshal packet from %v to %v: not of one family", src, dst)
	}
	if ipv6Header+len(body) > maxPacket {
		return nil, errors.New("marshal packet: too large")
	}
	if src.Is4() {
		return append(ipv4(src, dst, protocol, len(body)), body...), nil
	}
	return append(ipv6(src, dst, protocol, len(body)), body...), nil
}

// ipv4 is a header without options (RFC 791, section 3.1).
func ipv4(src, dst netip.Addr, protocol byte, body int) []byte {
	const dontFragment = 0x40
	b := []byte{4<<4 | ipv4Header/4, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4Header+body))
	b = append(b, 0, 0, dontFragment, 0, hopLimit, protocol, 0, 0)
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], ^fold(sum(0, b)))
	return b
}

// hopLimit is IPv4's time to live and IPv6's hop limit.
const hopLimit = 64

// ipv6 is the fixed header (RFC 8200, section 3).
func ipv6(src, dst netip.Addr, protocol byte, body int) []byte {
	b := []byte{6 << 4, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(body))
	b = append(b, protocol, hopLimit)
	b = append(b, src.AsSlice()...)
	return append(b, dst.AsSlice()...)
}

// pseudoSum is the sum over a body and the pseudo-header before it (RFC 9293,
// section 3.1): 0xffff if the body holds its correct checksum.
func pseudoSum(src, dst netip.Addr, protocol byte, body []byte) uint16 {
	acc := uint32(protocol) + uint32(len(body)) // of at most 16 bits
	acc = sum(sum(acc, src.AsSlice()), dst.AsSlice())
	return fold(sum(acc, body))
}

// sum adds 16-bit words (RFC 1071). It cannot overflow on at most maxPacket
// bytes.
func sum(acc uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		acc += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		acc += uint32(b[0]) << 8
	}
	return acc
}

// fold adds the carries.
func fold(acc uint32) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}
