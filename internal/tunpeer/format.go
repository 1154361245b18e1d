package tunpeer

import (
	"fmt"
	"strings"
)

// String returns the segment as tcpdump prints it, with absolute numbers.
func (s Segment) String() string { return s.format(0, 0) }

// format prints the segment's numbers relative to those from which its sender
// and its receiver began.
func (s Segment) format(seqFrom, ackFrom uint32) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Flags [%v], seq %s", s.Flags, relative(s.Seq, seqFrom))
	if s.Flags&ACK != 0 {
		fmt.Fprintf(&b, ", ack %s", relative(s.Ack, ackFrom))
	}
	fmt.Fprintf(&b, ", win %d", s.Window)
	if s.Flags&URG != 0 {
		fmt.Fprintf(&b, ", urg %d", s.Urgent)
	}
	if o := s.Options.String(); o != "" {
		fmt.Fprintf(&b, ", options [%s]", o)
	}
	fmt.Fprintf(&b, ", length %d", len(s.Payload))
	return b.String()
}

// relative prints a number; one from 0 is unsigned and absolute.
func relative(n, from uint32) string {
	if from == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprint(int32(n - from))
}

// String returns the options as tcpdump prints them.
func (o Options) String() string {
	var all []string
	add := func(present bool, format string, args ...any) {
		if present {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(o.MSS != 0, "mss %d", o.MSS)
	add(o.SACKPermitted, "sackOK")
	add(o.HasTimestamps, "TS val %d ecr %d", o.TSVal, o.TSEcr)
	add(o.HasWindowScale, "wscale %d", o.WindowScale)
	add(len(o.SACK) > 0, "sack %v", o.SACK)
	add(len(o.Other) > 0, "other %x", o.Other)
	return strings.Join(all, ",")
}
