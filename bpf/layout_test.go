package bpf_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/tcpwatch/tcpwatch/bpf"
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
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

// A step of a life, and what is around it, lie where the decoder looks for them.
func TestLifeLayout(t *testing.T) {
	spec, err := bpf.LoadTcpwatch()
	if err != nil {
		t.Fatal(err)
	}
	life, ok := spec.Maps[bpf.TcpwatchMapLives].Value.(*btf.Struct)
	if !ok || life.Size != events.LifeSize {
		t.Fatalf("struct life has %d bytes, the decoder reads %d", life.Size, events.LifeSize)
	}
	record := make([]byte, life.Size)
	for i := range record {
		record[i] = byte(rand.Uint32())
	}
	le := binary.LittleEndian
	at := map[string]int{}
	for _, m := range life.Members {
		at[m.Name] = int(m.Offset.Bytes())
	}
	steps := life.Members[len(life.Members)-1]
	step := steps.Type.(*btf.Array).Type.(*btf.Struct)
	within := map[string]int{}
	for _, m := range step.Members {
		within[m.Name] = int(m.Offset.Bytes())
	}
	le.PutUint32(record[at["seen"]:], events.MaxLifeSteps)
	second := record[at["steps"]+int(step.Size):]
	second[within["kind"]], second[within["state"]] = byte(events.Transition), byte(model.FinWait2)
	for _, m := range eventType(t).Members {
		if m.Name == "kind" {
			record[m.Offset.Bytes()] = byte(events.LifeEnd)
		}
	}
	var l events.History
	if err := events.DecodeLife(record, &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Steps()) != int(steps.Type.(*btf.Array).Nelems) || l.Skipped() != 0 {
		t.Fatalf("%d steps, %d skipped", len(l.Steps()), l.Skipped())
	}
	s := &l.Steps()[1]
	for name, pair := range map[string][2]any{
		"pid":         {l.PID, le.Uint32(record[at["pid"]:])},
		"comm":        {l.Comm, [16]byte(record[at["comm"]:])},
		"retransmits": {l.Retransmits[3], le.Uint32(record[at["retransmits"]+12:])},
		"failed":      {l.Failed, le.Uint32(record[at["failed"]:])},
		"time":        {s.Time, le.Uint64(second[within["time"]:])},
		"flags":       {uint32(s.Flags), le.Uint32(second[within["flags"]:])},
		"extra":       {s.Extra, uint64(le.Uint32(second[within["extra"]:]))},
		"err":         {s.Err, le.Uint16(second[within["err"]:])},
		"old_state":   {byte(s.From), second[within["old_state"]]},
		"shutdown":    {s.Shutdown, second[within["shutdown"]]},
		"again":       {s.Evidence.Retransmits, second[within["retransmits"]]},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
}
