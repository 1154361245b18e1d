package events

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tcpwatch/tcpwatch/model"
)

// MaxLifeSteps is how many steps a History has at most: LIFE_STEPS in bpf/life.h.
const MaxLifeSteps = 12

// Sizes of struct life and of its steps in bpf/life.h, in bytes.
const (
	LifeSize     = Size + 48 + MaxLifeSteps*lifeStepSize
	lifeStepSize = 24
)

// History is the whole history of a socket, in the one record that the kernel programs
// hand over when its memory is freed (probe.Options.Lives).
type History struct {
	End         Event // as of ->CLOSE, or, of one that never ended, of the end of its memory
	Seen        uint32
	PID         uint32 // who acted last, or has the listener
	Comm        [16]byte
	Retransmits [4]uint32 // segments sent again: data, SYN, SYN-ACK, FIN
	Failed      uint32    // of them, those that could not be
	SynAcks     uint32    // SYN-ACKs sent again before a child was made

	steps [MaxLifeSteps]Event
	kept  int
}

// Steps returns the transitions and resets in their order, as events. If there were
// more than MaxLifeSteps, Skipped are missing in the middle.
func (l *History) Steps() []Event { return l.steps[:l.kept] }

// Skipped returns how many steps are not kept.
func (l *History) Skipped() int { return int(l.Seen) - l.kept }

// DecodeLife fills l from a kernel record of struct life. A test compares the offsets
// with the BTF of the embedded object.
func DecodeLife(b []byte, l *History) error {
	if len(b) < LifeSize {
		return ErrShort(len(b))
	}
	b = b[:LifeSize:LifeSize]
	if err := Decode(b, &l.End); err != nil {
		return err
	}
	if l.End.Kind != LifeEnd {
		return ErrKind(l.End.Kind)
	}
	le := binary.LittleEndian
	rest := b[Size:]
	l.Seen, l.PID = le.Uint32(rest[0:]), le.Uint32(rest[4:])
	l.Comm = [16]byte(rest[8:24])
	for i := range l.Retransmits {
		l.Retransmits[i] = le.Uint32(rest[24+4*i:])
	}
	l.Failed, l.SynAcks = le.Uint32(rest[40:]), le.Uint32(rest[44:])
	l.kept = int(min(l.Seen, MaxLifeSteps))
	for i := range l.kept {
		l.step(rest[48+i*lifeStepSize:], &l.steps[i])
	}
	if l.Skipped() > 0 { // the second half went round
		slices.SortStableFunc(l.steps[:l.kept], func(a, b Event) int { return cmp.Compare(a.Time, b.Time) })
	}
	return nil
}

// step makes an event of a step: what a step does not hold is the end's.
func (l *History) step(b []byte, ev *Event) {
	le := binary.LittleEndian
	*ev = l.End
	ev.Evidence = model.Evidence{
		Flags: model.Flags(le.Uint32(b[8:])), Err: le.Uint16(b[16:]), Shutdown: b[21], Retransmits: b[22],
	}
	ev.Time, ev.Extra, ev.Kind = le.Uint64(b[0:]), uint64(le.Uint32(b[12:])), Kind(b[18])
	ev.From, ev.To = model.State(b[19]), model.State(b[20])
	if ev.Has(model.Owned) || ev.Has(model.Inherited) {
		ev.PID, ev.Comm = l.PID, l.Comm
	}
	if ev.Kind == Transition && ev.To == model.Close {
		ev.Evidence = l.End.Evidence
	}
}
