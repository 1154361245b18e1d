package events

import (
	"errors"
	"io"
	"testing"

	"github.com/tcpwatch/tcpwatch/model"
)

func TestSlice(t *testing.T) {
	s := Slice{{SK: 1}, {SK: 2}}
	ev := Event{Socket: 9, Where: WhereQueue}
	for want := range uint64(2) {
		if err := s.Next(&ev); err != nil || ev != (Event{SK: want + 1}) {
			t.Errorf("%+v, %v; want socket %d and nothing left over", ev, err, want+1)
		}
	}
	for range 2 {
		if err := s.Next(&ev); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want the end", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Each name is read back as what it names; an unknown number has a name too.
func TestNames(t *testing.T) {
	for w := range NumWhere {
		if got, ok := ParseWhere(w.String()); !ok || got != w {
			t.Errorf("%s is read as %s", w, got)
		}
	}
	for p := ProvenanceUnknown; p <= ProvenanceKernel; p++ {
		if got, ok := ParseProvenance(p.String()); !ok || got != p {
			t.Errorf("%s is read as %s", p, got)
		}
	}
	for _, name := range []string{Where(200).String(), Provenance(200).String(), Kind(200).String(), Family(200).String()} {
		if name != "unknown" {
			t.Errorf("%q, want unknown", name)
		}
	}
	if _, ok := ParseWhere("sofa"); ok {
		t.Error("a sofa is a place of loss")
	}
	if _, ok := ParseProvenance("rumour"); ok {
		t.Error("rumour is a provenance")
	}
}

func TestAddresses(t *testing.T) {
	cases := []struct {
		family        Family
		saddr, daddr  [16]byte
		local, remote string
	}{
		{IPv4, [16]byte{127, 0, 0, 1}, [16]byte{10, 0, 0, 2, 99}, "127.0.0.1:80", "10.0.0.2:9"},
		{IPv6, [16]byte{15: 1}, [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 1}, "[::1]:80", "[::ffff:10.0.0.1]:9"},
		{0, [16]byte{1}, [16]byte{2}, "invalid AddrPort", "invalid AddrPort"},
	}
	for _, c := range cases {
		ev := Event{Family: c.family, Saddr: c.saddr, Daddr: c.daddr, Lport: 80, Rport: 9}
		if got := ev.Local().String(); got != c.local {
			t.Errorf("local %s, want %s", got, c.local)
		}
		if got := ev.Remote().String(); got != c.remote {
			t.Errorf("remote %s, want %s", got, c.remote)
		}
	}
}

// What Extra means depends on the kind (bpf/event.h).
func TestExtra(t *testing.T) {
	ev := Event{Extra: 0xfffffffe | 0x12<<32}
	if ev.Seq() != 0xfffffffe || ev.SegmentFlags() != 0x12 || ev.PeerISN() != 0x12 {
		t.Errorf("seq %#x, flags %#x, peer's %#x", ev.Seq(), ev.SegmentFlags(), ev.PeerISN())
	}
	if n, limit := ev.AcceptQueue(); n != 0xfffffffe || limit != 0x12 {
		t.Errorf("accept queue %d of %d", n, limit)
	}
	for extra, want := range map[uint64]uint32{1: 0, 6: 5} {
		ev.Extra = extra
		if n, ok := ev.ResetReason(); !ok || n != want {
			t.Errorf("reset reason %d, %v; want %d", n, ok, want)
		}
	}
	ev.Extra = 0
	if _, ok := ev.ResetReason(); ok {
		t.Error("a reset reason where the kernel gave none")
	}
	ev.Extra = 5e9
	if ev.Remaining() != 5e9 || ev.FD() != int(int32(uint32(ev.Extra))) {
		t.Errorf("remaining %d, fd %d", ev.Remaining(), ev.FD())
	}
}

// The peer's FIN takes a sequence number and is not a byte (RFC 9293 3.4).
func TestUnread(t *testing.T) {
	cases := []struct {
		name        string
		rcv, copied uint32
		flags       model.Flags
		want        uint32
	}{
		{"all read", 100, 100, 0, 0},
		{"ten unread", 110, 100, 0, 10},
		{"ten unread and a FIN", 111, 100, model.Done, 10},
		{"a FIN alone", 101, 100, model.Done, 0},
		{"all read, FIN too", 101, 101, model.Done, 0},
		{"around the end of sequence space", 4, 0xfffffffe, 0, 6},
	}
	for _, c := range cases {
		ev := Event{Evidence: model.Evidence{RcvNxt: c.rcv, CopiedSeq: c.copied, Flags: c.flags}}
		if got := ev.Unread(); got != c.want {
			t.Errorf("%s: %d unread, want %d", c.name, got, c.want)
		}
	}
}
