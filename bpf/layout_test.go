package bpf_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/tcpwatch/tcpwatch/bpf"
	"github.com/tcpwatch/tcpwatch/events"
)

// eventType is struct event as the embedded object's BTF describes it.
func eventType(t *testing.T) *btf.Struct {
	t.Helper()
	spec, err := bpf.LoadTcpwatch()
	if err != nil {
		t.Fatal(err)
	}
	s, ok := spec.Maps[bpf.TcpwatchMapRing].Value.(*btf.Struct)
	if !ok {
		t.Fatalf("value of the ring is %v, want struct event", spec.Maps[bpf.TcpwatchMapRing].Value)
	}
	return s
}

func TestEventHasNoPadding(t *testing.T) {
	s := eventType(t)
	end := uint32(0)
	for _, m := range s.Members {
		if m.Offset.Bytes() != end {
			t.Errorf("%s begins at %d, want %d: implicit padding", m.Name, m.Offset.Bytes(), end)
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatal(err)
		}
		end = m.Offset.Bytes() + uint32(size)
	}
	if end != s.Size || s.Size != events.Size {
		t.Errorf("members end at %d, struct at %d, decoder reads %d", end, s.Size, events.Size)
	}
}

// Every member of the C struct, found by its BTF offset, arrives in the Go
// field of the same meaning.
func TestEventLayout(t *testing.T) {
	s := eventType(t)
	rec := make([]byte, s.Size)
	for i := range rec {
		rec[i] = byte(rand.Uint32())
	}
	le := binary.LittleEndian
	want := map[string]string{}
	for _, m := range s.Members {
		b := rec[m.Offset.Bytes():]
		if m.Name == "kind" {
			b[0] = byte(events.Inventory)
		}
		switch size, _ := btf.Sizeof(m.Type); size {
		case 1:
			want[m.Name] = fmt.Sprint(b[0])
		case 2:
			want[m.Name] = fmt.Sprint(le.Uint16(b))
		case 4:
			want[m.Name] = fmt.Sprint(le.Uint32(b))
		case 8:
			want[m.Name] = fmt.Sprint(le.Uint64(b))
		default:
			want[m.Name] = fmt.Sprint(b[:size])
		}
	}
	var ev events.Event
	if err := events.Decode(rec, &ev); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{
		"time": fmt.Sprint(ev.Time), "sk": fmt.Sprint(ev.SK), "cookie": fmt.Sprint(ev.Cookie),
		"netns_cookie": fmt.Sprint(ev.NetnsCookie), "bytes_acked": fmt.Sprint(ev.BytesAcked),
		"bytes_received": fmt.Sprint(ev.BytesReceived), "extra": fmt.Sprint(ev.Extra),
		"saddr": fmt.Sprint(ev.Saddr), "daddr": fmt.Sprint(ev.Daddr), "comm": fmt.Sprint(ev.Comm),
		"netns": fmt.Sprint(ev.Netns), "pid": fmt.Sprint(ev.PID), "snd_una": fmt.Sprint(ev.SndUna),
		"snd_nxt": fmt.Sprint(ev.SndNxt), "rcv_nxt": fmt.Sprint(ev.RcvNxt),
		"write_seq": fmt.Sprint(ev.WriteSeq), "copied_seq": fmt.Sprint(ev.CopiedSeq),
		"flags": fmt.Sprint(uint32(ev.Flags)), "sport": fmt.Sprint(ev.Lport), "dport": fmt.Sprint(ev.Rport),
		"err": fmt.Sprint(ev.Err), "err_soft": fmt.Sprint(ev.ErrSoft), "kind": fmt.Sprint(uint8(ev.Kind)),
		"family": fmt.Sprint(uint8(ev.Family)), "old_state": fmt.Sprint(uint8(ev.From)),
		"state": fmt.Sprint(uint8(ev.To)), "shutdown": fmt.Sprint(ev.Shutdown),
		"retransmits": fmt.Sprint(ev.Retransmits), "probes": fmt.Sprint(ev.Probes), "count": fmt.Sprint(ev.Count),
	}
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s = %s, want %s", name, got[name], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("struct event has %d members, the decoder knows %d", len(want), len(got))
	}
}
