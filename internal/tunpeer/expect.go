package tunpeer

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// expectation is a step that waits for a segment of the kernel's.
type expectation struct {
	kind    kind
	again   bool    // it must be a retransmission
	seq     *number // to RCV.NXT
	ack     *number // to SND.NXT
	win     *uint32
	length  *uint32 // of the payload
	mss     *uint32
	ackBit  *bool
	payload *string
}

// kind is what sort of segment is expected.
type kind struct {
	name  string
	flags Flags // those of mask that it has
	mask  Flags
}

// parseKind returns the kind of a name.
func parseKind(name string) (kind, error) {
	const mask = FIN | SYN | RST | ACK
	switch name {
	case "syn":
		return kind{name, SYN, mask}, nil
	case "synack":
		return kind{name, SYN | ACK, mask}, nil
	case "ack", "data":
		return kind{name, ACK, mask}, nil
	case "fin":
		return kind{name, FIN | ACK, mask}, nil
	case "rst":
		return kind{name, RST, RST}, nil
	}
	return kind{}, fmt.Errorf("kind %q: want syn, synack, ack, data, fin or rst", name)
}

// parseExpect reads `KIND [field…]`.
func parseExpect(args []string) (action, error) {
	if len(args) == 0 {
		return nil, errors.New("want a kind of segment")
	}
	k, err := parseKind(args[0])
	if err != nil {
		return nil, err
	}
	e := expectation{kind: k}
	for _, arg := range args[1:] {
		if err := e.parseField(arg); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *expectation) parseField(arg string) error {
	if text, ok := unquote(arg); ok {
		e.payload = &text
		return nil
	}
	name, value, has := strings.Cut(arg, "=")
	if !has {
		return e.parseWord(arg)
	}
	switch name {
	case "seq":
		return set(&e.seq, value, parseNumber)
	case "ack":
		return set(&e.ack, value, parseNumber)
	case "win":
		return set(&e.win, value, parseShort)
	case "len":
		return set(&e.length, value, parseShort)
	case "mss":
		return set(&e.mss, value, parseShort)
	}
	return fmt.Errorf("unknown field %q", name)
}

func parseShort(value string) (uint32, error) { return parseUint(value, 16) }

// set points to at what a value means.
func set[T any](to **T, value string, parse func(string) (T, error)) error {
	v, err := parse(value)
	*to = &v
	return err
}

func (e *expectation) parseWord(arg string) error {
	switch arg {
	case "again":
		e.again = true
		if k := e.kind.name; k == "ack" || k == "rst" {
			return fmt.Errorf("%s again: it has no sequence numbers to tell by", k)
		}
	case "ack", "noack":
		bit := arg == "ack"
		e.ackBit = &bit
	default:
		return fmt.Errorf("unknown field %q", arg)
	}
	return nil
}

// run looks at the kernel's segments until the one that is expected comes.
func (e expectation) run(c *Conn) error {
	deadline := time.Now().Add(c.endpoint.patience)
	passed := 0
	for {
		s, err := c.next(deadline)
		if err != nil {
			return fmt.Errorf("%w within %v, after passing over %d", err, c.endpoint.patience, passed)
		}
		problem := e.mismatch(&c.tcb, s)
		if problem == nil {
			c.tcb.received(s)
			c.last = s
			return nil
		}
		if !s.pureACK() && !c.tcb.repeats(s) {
			return fmt.Errorf("%w: %s", problem, s.format(c.tcb.irs, c.tcb.iss))
		}
		c.tcb.received(s)
		passed++
	}
}

// mismatch returns why the segment is not what is expected, or nil.
func (e expectation) mismatch(b *tcb, s Segment) error {
	if s.Flags&e.kind.mask != e.kind.flags {
		return fmt.Errorf("got [%v], want %s", s.Flags, e.kind.name)
	}
	if e.ackBit != nil && *e.ackBit != (s.Flags&ACK != 0) {
		return fmt.Errorf("got [%v], want ACK there: %t", s.Flags, *e.ackBit)
	}
	if repeats := b.repeats(s); repeats != e.again && s.Len() > 0 {
		return fmt.Errorf("a retransmission: got %t, want %t", repeats, e.again)
	}
	return errors.Join(e.mismatchNumbers(b, s), e.mismatchContents(s))
}

// mismatchNumbers checks SEG.SEQ and SEG.ACK, by default those of a kernel that
// has received all that was sent in sequence and has lost nothing.
func (e expectation) mismatchNumbers(b *tcb, s Segment) error {
	rst, syn := e.kind.flags == RST, e.kind.flags&SYN != 0
	seq, ack := e.seq, e.ack
	if seq == nil && b.synced && !rst && !e.again {
		seq = &number{relative: true}
		if syn { // once more, crossing the peer's
			seq = &number{n: b.irs}
		}
	}
	if ack == nil && s.Flags&ACK != 0 && !rst {
		ack = &number{relative: true}
	}
	return errors.Join(
		differs("seq", s.Seq, seq, b.rcvNxt),
		differs("ack", s.Ack, ack, b.sndNxt),
	)
}

// differs compares a number of the segment with what is wanted, if anything is.
func differs(name string, got uint32, want *number, base uint32) error {
	if want == nil || got == want.from(base) {
		return nil
	}
	if want.relative {
		return fmt.Errorf("%s %+d, want %+d", name, int32(got-base), int32(want.n))
	}
	return fmt.Errorf("%s %d, want %d", name, got, want.n)
}

// mismatchContents checks what is not a sequence number.
func (e expectation) mismatchContents(s Segment) error {
	return errors.Join(
		e.mismatchPayload(s.Payload),
		unequal("win", uint32(s.Window), e.win),
		unequal("mss", uint32(s.Options.MSS), e.mss),
	)
}

// unequal compares a value with what is wanted, if anything is.
func unequal(name string, got uint32, want *uint32) error {
	if want == nil || got == *want {
		return nil
	}
	return fmt.Errorf("%s %d, want %d", name, got, *want)
}

func (e expectation) mismatchPayload(got []byte) error {
	switch {
	case e.payload != nil && string(got) != *e.payload:
		return fmt.Errorf("payload %q, want %q", got, *e.payload)
	case e.payload != nil || e.length != nil:
		return unequal("len", uint32(len(got)), e.length)
	case (len(got) > 0) != (e.kind.name == "data"):
		return fmt.Errorf("payload of %d bytes, want %s", len(got), e.kind.name)
	}
	return nil
}

// parseSilence reads the duration for which nothing may come.
func parseSilence(arg string) (action, error) {
	d, err := parseDuration(arg)
	return actionFunc(func(c *Conn) error {
		s, err := c.next(time.Now().Add(d))
		if errors.Is(err, errSilence) {
			return nil
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("got %s", s.format(c.tcb.irs, c.tcb.iss))
	}), err
}
