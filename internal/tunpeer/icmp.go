package tunpeer

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Unreachable is a reason for which a packet could not be delivered.
type Unreachable string

// The reasons, and what Linux makes of them (tcp_v4_err, tcp_v6_err).
const (
	UnreachableNet      Unreachable = "net"      // ENETUNREACH
	UnreachableHost     Unreachable = "host"     // EHOSTUNREACH
	UnreachableProtocol Unreachable = "protocol" // ENOPROTOOPT; EPROTO over IPv6
	UnreachablePort     Unreachable = "port"     // ECONNREFUSED
	UnreachableAdmin    Unreachable = "admin"    // EHOSTUNREACH; EACCES over IPv6
)

// icmpCode is how one family says it.
type icmpCode struct{ kind, code byte }

// unreachable has the types and codes of RFC 792 and RFC 1812 (ICMP) and of RFC
// 4443 (ICMPv6, where an unknown protocol is a parameter problem).
var unreachable = map[Unreachable]struct{ v4, v6 icmpCode }{
	UnreachableNet:      {icmpCode{3, 0}, icmpCode{1, 0}},
	UnreachableHost:     {icmpCode{3, 1}, icmpCode{1, 3}},
	UnreachableProtocol: {icmpCode{3, 2}, icmpCode{4, 1}},
	UnreachablePort:     {icmpCode{3, 3}, icmpCode{1, 4}},
	UnreachableAdmin:    {icmpCode{3, 13}, icmpCode{1, 1}},
}

// parseUnreachable returns the reason with a name.
func parseUnreachable(name string) (Unreachable, error) {
	if _, ok := unreachable[Unreachable(name)]; !ok {
		names := []string{}
		for u := range unreachable {
			names = append(names, string(u))
		}
		slices.Sort(names)
		return "", fmt.Errorf("unreachable %q: want %s", name, strings.Join(names, ", "))
	}
	return Unreachable(name), nil
}

// marshalUnreachable returns the packet in which the destination of a segment
// tells its source that it could not be delivered.
func marshalUnreachable(u Unreachable, s Segment) ([]byte, error) {
	quoted, err := s.Marshal()
	if err != nil {
		return nil, fmt.Errorf("quote segment: %w", err)
	}
	from, to := s.Dst.Addr(), s.Src.Addr()
	if from.Is4() {
		b := icmpMessage(unreachable[u].v4, quoted)
		binary.BigEndian.PutUint16(b[2:], ^fold(sum(0, b)))
		return ipPacket(from, to, unix.IPPROTO_ICMP, b)
	}
	b := icmpMessage(unreachable[u].v6, quoted)
	binary.BigEndian.PutUint16(b[2:], ^pseudoSum(from, to, unix.IPPROTO_ICMPV6, b))
	return ipPacket(from, to, unix.IPPROTO_ICMPV6, b)
}

// maxQuote bounds what a message quotes: such packets fit in 576 bytes.
const maxQuote = 500

// icmpMessage is a header of 8 bytes, without its checksum, and the quotation.
func icmpMessage(c icmpCode, quoted []byte) []byte {
	b := []byte{c.kind, c.code, 0, 0, 0, 0, 0, 0}
	if c.kind == 4 { // the pointer to the unrecognised next header
		b[7] = 6
	}
	return append(b, quoted[:min(len(quoted), maxQuote)]...)
}
