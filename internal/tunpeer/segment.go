package tunpeer

import (
	"net/netip"
	"strings"
)

// Flags are the control bits of a segment (RFC 9293, section 3.1).
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// flagNames are in the order of the bits: the name, and tcpdump's letter.
var flagNames = [...]struct{ name, letter string }{
	{"FIN", "F"}, {"SYN", "S"}, {"RST", "R"}, {"PSH", "P"},
	{"ACK", "."}, {"URG", "U"}, {"ECE", "E"}, {"CWR", "W"},
}

// String returns the flags as tcpdump prints them, or none.
func (f Flags) String() string {
	if f == 0 {
		return "none"
	}
	var b strings.Builder
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			b.WriteString(n.letter)
		}
	}
	return b.String()
}

// Segment is a TCP segment with the addresses of the packet around it, which is
// of IPv4 or of IPv6 as they are.
type Segment struct {
	Src, Dst netip.AddrPort
	Seq, Ack uint32
	Flags    Flags
	Window   uint16 // as in the header, not scaled
	Urgent   uint16
	Options  Options
	Payload  []byte

	BadChecksum bool // Marshal breaks the checksum
}

// Len returns SEG.LEN, the sequence numbers that the segment occupies: a SYN
// and a FIN count one each (RFC 9293, section 3.4).
func (s Segment) Len() uint32 {
	n := uint32(len(s.Payload))
	if s.Flags&SYN != 0 {
		n++
	}
	if s.Flags&FIN != 0 {
		n++
	}
	return n
}

// end is the sequence number after the segment's last.
func (s Segment) end() uint32 { return s.Seq + s.Len() }

// pureACK reports whether the segment says nothing but an acknowledgement and a
// window.
func (s Segment) pureACK() bool { return s.Len() == 0 && s.Flags&(ACK|RST) == ACK }

// before compares sequence numbers modulo 2^32 (RFC 9293, section 3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }
