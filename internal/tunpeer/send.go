package tunpeer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// send is a step that sends a segment.
type send struct {
	flags Flags
	opens bool // it is the SYN that begins a connection
	again bool // at the initial sequence number, which stays
	edits []edit
}

// edit changes a segment that is about to be sent.
type edit func(c *Conn, s *Segment)

func (a send) run(c *Conn) error {
	s := c.segment(a.flags)
	if a.again {
		s.Seq = c.tcb.iss
	}
	for _, e := range a.edits {
		e(c, &s)
	}
	if a.opens && !a.again {
		c.tcb.begin(s.Seq)
	}
	if err := c.peer.Send(s); err != nil {
		return err
	}
	if !s.BadChecksum {
		c.tcb.sent(s)
	}
	return nil
}

// parseSYN reads the SYN of a new connection.
func parseSYN(args []string) (action, error) {
	a, err := parseSend(SYN, args)
	if err != nil {
		return nil, err
	}
	a.opens = true
	return a, nil
}

// parseData reads `send "text"`.
func parseData(args []string) (action, error) {
	if len(args) == 0 {
		return nil, errors.New("want a text in quotes")
	}
	if _, ok := unquote(args[0]); !ok {
		return nil, fmt.Errorf("%s: want a text in quotes", args[0])
	}
	return parseSend(PSH|ACK, args)
}

// parseAnySegment reads `segment FLAGS`.
func parseAnySegment(args []string) (action, error) {
	if len(args) == 0 {
		return nil, errors.New("want flags")
	}
	flags, err := parseFlags(args[0])
	if err != nil {
		return nil, err
	}
	return parseSend(flags, args[1:])
}

// parseSend reads the fields of a segment.
func parseSend(flags Flags, args []string) (send, error) {
	a := send{flags: flags}
	for _, arg := range args {
		if arg == "again" && flags&SYN != 0 {
			a.again = true
			continue
		}
		e, err := parseEdit(arg)
		if err != nil {
			return send{}, err
		}
		a.edits = append(a.edits, e)
	}
	return a, nil
}

// parseEdit reads one field.
func parseEdit(arg string) (edit, error) {
	if text, ok := unquote(arg); ok {
		return func(_ *Conn, s *Segment) { s.Payload = []byte(text) }, nil
	}
	name, value, has := strings.Cut(arg, "=")
	if !has {
		return parseWordEdit(arg)
	}
	switch name {
	case "seq", "ack":
		return parseSequenceEdit(name, value)
	case "ts":
		return parseTimestamps(value)
	case "opt":
		b, err := hex.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("opt: %w", err)
		}
		return func(_ *Conn, s *Segment) { s.Options.Other = b }, nil
	}
	return parseNumberEdit(name, value)
}

// parseWordEdit reads a field without a value.
func parseWordEdit(arg string) (edit, error) {
	switch arg {
	case "ack":
		return func(c *Conn, s *Segment) { s.Flags, s.Ack = s.Flags|ACK, c.tcb.rcvNxt }, nil
	case "noack":
		return func(_ *Conn, s *Segment) { s.Flags, s.Ack = s.Flags&^ACK, 0 }, nil
	case "sackok":
		return func(_ *Conn, s *Segment) { s.Options.SACKPermitted = true }, nil
	case "badsum":
		return func(_ *Conn, s *Segment) { s.BadChecksum = true }, nil
	}
	return nil, fmt.Errorf("unknown field %q", arg)
}

// parseSequenceEdit reads seq=N, from the default of the step, and ack=N, from
// RCV.NXT.
func parseSequenceEdit(name, value string) (edit, error) {
	n, err := parseNumber(value)
	if name == "seq" {
		return func(_ *Conn, s *Segment) { s.Seq = n.from(s.Seq) }, err
	}
	return func(c *Conn, s *Segment) { s.Flags, s.Ack = s.Flags|ACK, n.from(c.tcb.rcvNxt) }, err
}

// parseNumberEdit reads the fields with plain numbers.
func parseNumberEdit(name, value string) (edit, error) {
	bits := 16
	if name == "wscale" {
		bits = 8
	}
	n, err := parseUint(value, bits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch name {
	case "win":
		return func(_ *Conn, s *Segment) { s.Window = uint16(n) }, nil
	case "urg":
		return func(_ *Conn, s *Segment) { s.Flags, s.Urgent = s.Flags|URG, uint16(n) }, nil
	case "mss":
		return func(_ *Conn, s *Segment) { s.Options.MSS = uint16(n) }, nil
	case "wscale":
		return func(_ *Conn, s *Segment) { s.Options.HasWindowScale, s.Options.WindowScale = true, uint8(n) }, nil
	}
	return nil, fmt.Errorf("unknown field %q", name)
}

// parseTimestamps reads VALUE[:ECHO]; without ECHO it is the kernel's last.
func parseTimestamps(value string) (edit, error) {
	val, echo, hasEcho := strings.Cut(value, ":")
	v, err := parseUint(val, 32)
	if err != nil {
		return nil, err
	}
	var e uint32
	if hasEcho {
		if e, err = parseUint(echo, 32); err != nil {
			return nil, err
		}
	}
	return func(c *Conn, s *Segment) {
		s.Options.HasTimestamps, s.Options.TSVal, s.Options.TSEcr = true, v, e
		if !hasEcho {
			s.Options.TSEcr = c.last.Options.TSVal
		}
	}, nil
}

// parseICMP reads `unreachable REASON [seq=N]`.
func parseICMP(args []string) (action, error) {
	if len(args) < 2 || len(args) > 3 || args[0] != "unreachable" {
		return nil, errors.New("want: unreachable REASON [seq=N]")
	}
	u, err := parseUnreachable(args[1])
	if err != nil {
		return nil, err
	}
	move := number{relative: true}
	if len(args) == 3 {
		value, ok := strings.CutPrefix(args[2], "seq=")
		if !ok {
			return nil, fmt.Errorf("unknown field %q", args[2])
		}
		if move, err = parseNumber(value); err != nil {
			return nil, err
		}
	}
	return actionFunc(func(c *Conn) error { return c.unreachable(u, move) }), nil
}

// unreachable quotes the last segment of the kernel's that was expected.
func (c *Conn) unreachable(u Unreachable, seq number) error {
	s := c.last
	if !s.Src.IsValid() {
		return errors.New("no segment to quote")
	}
	s.Seq = seq.from(s.Seq)
	return c.peer.SendUnreachable(u, s)
}
