package tunpeer

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMarshalUnreachable(t *testing.T) {
	both := segments(1)
	for _, c := range []struct {
		reason Unreachable
		s      Segment
		want   []byte // type and code
	}{
		{UnreachablePort, both[0], []byte{3, 3}},
		{UnreachablePort, both[1], []byte{1, 4}},
		{UnreachableProtocol, both[1], []byte{4, 1}},
		{UnreachableAdmin, both[0], []byte{3, 13}},
	} {
		packet, err := marshalUnreachable(c.reason, c.s)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseIP(packet)
		if err != nil {
			t.Fatal(err)
		}
		if d.src != c.s.Dst.Addr() || d.dst != c.s.Src.Addr() {
			t.Errorf("%s: from %v to %v", c.reason, d.src, d.dst)
		}
		if !bytes.Equal(d.body[:2], c.want) {
			t.Errorf("%s: type and code %v, want %v", c.reason, d.body[:2], c.want)
		}
		check := fold(sum(0, d.body))
		if d.protocol == unix.IPPROTO_ICMPV6 {
			check = pseudoSum(d.src, d.dst, d.protocol, d.body)
		}
		if check != 0xffff {
			t.Errorf("%s: wrong checksum", c.reason)
		}
		quoted, err := c.s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.body[8:], quoted) {
			t.Errorf("%s: quotes something else", c.reason)
		}
	}
}

func TestMarshalUnreachableQuotesAPart(t *testing.T) {
	s := segments(1)[0]
	s.Payload = make([]byte, 1400)
	packet, err := marshalUnreachable(UnreachableHost, s)
	if err != nil || len(packet) > 576 {
		t.Errorf("%d bytes and %v, want at most 576", len(packet), err)
	}
}
