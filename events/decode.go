package events

import (
	"encoding/binary"
	"fmt"

	"github.com/tcpwatch/tcpwatch/model"
)

// Size is the length of a kernel record in bytes: sizeof(struct event) in
// bpf/event.h.
const Size = 152

// ErrShort reports a record shorter than Size.
type ErrShort int

func (n ErrShort) Error() string { return fmt.Sprintf("decode event: %d bytes, want %d", int(n), Size) }

// ErrKind reports a record of a kind that the kernel programs do not emit.
type ErrKind uint8

func (k ErrKind) Error() string { return fmt.Sprintf("decode event: unknown kind %d", uint8(k)) }

// Decode fills ev from a kernel record. The offsets are those of struct event
// in bpf/event.h; a test compares them with the BTF of the embedded object.
// Longer records are read as far as they are known.
func Decode(b []byte, ev *Event) error {
	if len(b) < Size {
		return ErrShort(len(b))
	}
	b = b[:Size:Size]
	if k := b[144]; k == 0 || k > byte(LifeEnd) {
		return ErrKind(k)
	}
	le := binary.LittleEndian
	ev.Time = le.Uint64(b[0:])
	ev.SK = le.Uint64(b[8:])
	ev.Cookie = le.Uint64(b[16:])
	ev.NetnsCookie = le.Uint64(b[24:])
	ev.BytesAcked = le.Uint64(b[32:])
	ev.BytesReceived = le.Uint64(b[40:])
	ev.Extra = le.Uint64(b[48:])
	ev.Saddr = [16]byte(b[56:72])
	ev.Daddr = [16]byte(b[72:88])
	ev.Comm = [16]byte(b[88:104])
	ev.Netns = le.Uint32(b[104:])
	ev.PID = le.Uint32(b[108:])
	ev.SndUna = le.Uint32(b[112:])
	ev.SndNxt = le.Uint32(b[116:])
	ev.RcvNxt = le.Uint32(b[120:])
	ev.WriteSeq = le.Uint32(b[124:])
	ev.CopiedSeq = le.Uint32(b[128:])
	ev.Flags = model.Flags(le.Uint32(b[132:]))
	ev.Lport = le.Uint16(b[136:])
	ev.Rport = le.Uint16(b[138:])
	ev.Err = le.Uint16(b[140:])
	ev.ErrSoft = le.Uint16(b[142:])
	ev.Kind = Kind(b[144])
	ev.Family = Family(b[145])
	ev.From = model.State(b[146])
	ev.To = model.State(b[147])
	ev.Shutdown = b[148]
	ev.Retransmits = b[149]
	ev.Probes = b[150]
	ev.Count = b[151]
	ev.Where, ev.LostCount = 0, 0
	ev.Socket, ev.Step, ev.InState, ev.Recorded = 0, 0, -1, nil
	return nil
}
