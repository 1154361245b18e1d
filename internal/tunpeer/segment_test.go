package tunpeer

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// captured are packets that a Linux kernel sent, and what tcpdump calls them.
var captured = []struct{ packet, want string }{
	{"4500003c202640004006057c0a8c00010a8c0002549e549f6cbb6d6900000000a002faf064f50000020405b40402080a193a3660000000000103030a",
		"Flags [S], seq 1824222569, win 64240, options [mss 1460,sackOK,TS val 423245408 ecr 0,wscale 10], length 0"},
	{"4500002b202840004006058b0a8c00010a8c0002549e549f6cbb6d6a000f42415018faf006a600006f6464",
		"Flags [P.], seq 1824222570, ack 1000001, win 64240, length 3"},
	{"600f710500280640fd980daf2db200000000000000000001fd980daf2db20000000000000000000354a054a116037f9d00000000a002fd20b1570000020405a00402080a08b6e008000000000103030a",
		"Flags [S], seq 369328029, win 64800, options [mss 1440,sackOK,TS val 146202632 ecr 0,wscale 10], length 0"},
	{"600f710500140640fd980daf2db200000000000000000001fd980daf2db20000000000000000000354a054a116037fa1000f42415011fd20bf840000",
		"Flags [F.], seq 369328033, ack 1000001, win 64800, length 0"},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseSegmentOfTheKernel(t *testing.T) {
	for _, c := range captured {
		s, err := ParseSegment(unhex(t, c.packet))
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		if s.String() != c.want {
			t.Errorf("got  %s\nwant %s", s, c.want)
		}
		if s.Src.Port()+s.Dst.Port() == 0 || !s.Src.Addr().IsPrivate() || !s.Dst.Addr().IsPrivate() {
			t.Errorf("from %v to %v", s.Src, s.Dst)
		}
	}
}

// TestParseSegmentRefuses damages each bit of each packet: every one but those
// that no checksum covers must be noticed.
func TestParseSegmentRefuses(t *testing.T) {
	for _, c := range captured {
		packet := unhex(t, c.packet)
		for n := range packet {
			if _, err := ParseSegment(packet[:n]); err == nil {
				t.Errorf("%s: no error for %d bytes of %d", c.want, n, len(packet))
			}
		}
		for bit := range 8 * len(packet) {
			if packet[0]>>4 == 6 && bit >= 4 && bit < 32 || packet[0]>>4 == 6 && bit/8 == 7 {
				continue // traffic class, flow label and hop limit
			}
			packet[bit/8] ^= 1 << (7 - bit%8)
			if s, err := ParseSegment(packet); err == nil {
				t.Errorf("%s: no error with bit %d changed: %s", c.want, bit, s)
			}
			packet[bit/8] ^= 1 << (7 - bit%8)
		}
	}
}

func TestParseSegmentNotTCP(t *testing.T) {
	routerSolicitation := unhex(t, "6000000000083afffe80000000000000bc1dc9efeb7e3665ff0200000000000000000000000000028500d54500000000")
	if _, err := ParseSegment(routerSolicitation); !errors.Is(err, ErrNotTCP) {
		t.Errorf("got %v, want ErrNotTCP", err)
	}
	fragment, err := segments(1)[0].Marshal()
	if err != nil {
		t.Fatal(err)
	}
	fragment[6] |= 0x20 // more fragments
	copy(fragment[10:12], []byte{0, 0})
	sum := ^fold(sum(0, fragment[:ipv4Header]))
	fragment[10], fragment[11] = byte(sum>>8), byte(sum)
	if _, err := ParseSegment(fragment); !errors.Is(err, ErrNotTCP) {
		t.Errorf("got %v, want ErrNotTCP", err)
	}
}

// segments makes 2*n segments, of IPv4 first.
func segments(n int) []Segment {
	r := rand.New(rand.NewPCG(1, 2))
	var all []Segment
	for i := range 2 * n {
		ends := [2]string{"10.1.2.3", "10.255.0.254"}
		if i >= n {
			ends = [2]string{"fd98::1", "fd98:ffff::8000"}
		}
		s := Segment{
			Src: netip.AddrPortFrom(netip.MustParseAddr(ends[0]), uint16(r.Uint32())),
			Dst: netip.AddrPortFrom(netip.MustParseAddr(ends[1]), uint16(r.Uint32())),
			Seq: r.Uint32(), Ack: r.Uint32(), Flags: Flags(r.Uint32()), Window: uint16(r.Uint32()), Urgent: uint16(r.Uint32()),
		}
		if i%3 == 1 {
			s.Options = Options{MSS: 1 + uint16(r.Uint32N(65535)), SACKPermitted: true, HasTimestamps: true, TSVal: r.Uint32(), TSEcr: r.Uint32(), HasWindowScale: true, WindowScale: uint8(r.Uint32())}
		}
		if i%3 == 2 {
			s.Options = Options{SACK: [][2]uint32{{r.Uint32(), r.Uint32()}, {1, 2}}, Other: []byte{34, 2, 30, 4, 9, 9}}
		}
		for range r.IntN(100) {
			s.Payload = append(s.Payload, byte(r.Uint32()))
		}
		all = append(all, s)
	}
	return all
}

func TestMarshalAndBack(t *testing.T) {
	for _, s := range segments(500) {
		packet, err := s.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		got, err := ParseSegment(packet)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if len(got.Payload) == 0 {
			got.Payload = nil
		}
		if !reflect.DeepEqual(got, s) {
			t.Fatalf("got  %+v\nwant %+v", got, s)
		}
		s.BadChecksum = true
		if packet, err = s.Marshal(); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSegment(packet); err == nil {
			t.Fatalf("%s: no error for a wrong checksum", s)
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	v4, v6 := segments(1)[0], segments(1)[1]
	for want, s := range map[string]Segment{
		"not of one family": {Src: v4.Src, Dst: v6.Dst},
		"too large":         {Src: v4.Src, Dst: v4.Dst, Payload: make([]byte, maxPacket)},
		"44 bytes":          {Src: v6.Src, Dst: v6.Dst, Options: Options{MSS: 1, Other: make([]byte, 40)}},
	} {
		if _, err := s.Marshal(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := (Segment{}).Marshal(); err == nil {
		t.Error("no error without addresses")
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for _, b := range []string{
		"02", "0200", "0201", "020305", "0206010101", "0302", "030401ff", "040300", "0502", "050701010101ff", "080a01020304", "08030a",
		"01010205b40000", "fe", "fe00", "fe05aabb",
	} {
		if o, err := parseOptions(unhex(t, b)); err == nil {
			t.Errorf("%s: no error, got %s", b, o)
		}
	}
	for b, want := range map[string]string{
		"": "", "00ff": "", "0101": "", "01fe0301": "other fe0301", "020405b400": "mss 1460",
		"050a0000000100000002": "sack [[1 2]]",
	} {
		if o, err := parseOptions(unhex(t, b)); err != nil || o.String() != want {
			t.Errorf("%s: got %q and %v, want %q", b, o, err, want)
		}
	}
}

func TestSegmentLen(t *testing.T) {
	for want, s := range map[uint32]Segment{
		0: {Flags: ACK | RST | PSH},
		1: {Flags: SYN | ACK},
		2: {Flags: SYN | FIN},
		6: {Flags: FIN, Payload: []byte("hello")},
	} {
		if s.Len() != want || s.end() != want {
			t.Errorf("%s: occupies %d, want %d", s, s.Len(), want)
		}
	}
}

func TestFlagsString(t *testing.T) {
	for flags, want := range map[Flags]string{0: "none", SYN | ACK: "S.", 0xff: "FSRP.UEW"} {
		if flags.String() != want {
			t.Errorf("got %s, want %s", flags, want)
		}
	}
}

// FuzzParseSegment: whatever parses can be made again, and means the same.
func FuzzParseSegment(f *testing.F) {
	for _, c := range captured {
		f.Add(unhex(f, c.packet))
	}
	for _, s := range segments(3) {
		packet, err := s.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		repairChecksums(packet)
		s, err := ParseSegment(packet)
		if err != nil {
			return
		}
		again, err := s.Marshal()
		if err != nil {
			t.Fatalf("marshal %s: %v", s, err)
		}
		got, err := ParseSegment(again)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("got  %+v\nwant %+v\nerror %v", got, s, err)
		}
	})
}

// repairChecksums makes a packet's checksums right where there are headers: a
// fuzzer would hardly ever hit them.
func repairChecksums(b []byte) {
	if len(b) >= ipv4Header && b[0]>>4 == 4 {
		if n := int(b[0]&0xf) * 4; n >= ipv4Header && n <= len(b) {
			copy(b[10:12], []byte{0, 0})
			c := ^fold(sum(0, b[:n]))
			b[10], b[11] = byte(c>>8), byte(c)
		}
	}
	d, err := parseIP(b)
	if err != nil || len(d.body) < tcpHeader {
		return
	}
	copy(d.body[checksumAt:], []byte{0, 0})
	c := ^pseudoSum(d.src, d.dst, d.protocol, d.body)
	d.body[checksumAt], d.body[checksumAt+1] = byte(c>>8), byte(c)
}
