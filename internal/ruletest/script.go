package ruletest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/record"
)

// uptime is how long the host of a test has been up when the test begins: times of
// things that were before it are no less than 0.
const uptime = time.Hour

// booted is the wall-clock time of that: as promtool's, a test begins in 1970.
var booted = time.Unix(0, 0).UTC().Add(-uptime)

// defaults are the fields that every line has, and few tests care about.
var defaults = map[string]any{
	"netns": 4026531840, "family": "ipv4", "laddr": "192.0.2.1", "raddr": "192.0.2.2", "lport": 40000, "rport": 443, "role": "unknown",
}

// line is one event of a story.
type line struct {
	at   time.Duration
	text []byte
}

// script writes the lines of a test, in the order of their times.
func script(scripts []Script) ([]byte, error) {
	var lines []line
	unique := 1 << 40 // sockets without a number of their own
	for _, s := range scripts {
		for i := range s.Times {
			if len(lines) == maxLines {
				return nil, fmt.Errorf("line %d: more than %d events", s.Line, maxLines)
			}
			at := s.At + time.Duration(i)*s.Every
			unique++
			text, err := s.line(at, i, unique)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", s.Line, err)
			}
			lines = append(lines, line{at, text})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	var all bytes.Buffer
	for _, l := range lines {
		all.Write(l.text)
		all.WriteByte('\n')
	}
	return all.Bytes(), nil
}

// line writes the i-th event of a script as a line of the contract.
func (s *Script) line(at time.Duration, i, unique int) ([]byte, error) {
	fields := map[string]any{"socket": unique}
	for name, value := range defaults {
		fields[name] = value
	}
	for name, value := range s.Event {
		fields[name] = value
	}
	for _, name := range s.Vary {
		n, ok := fields[name].(int)
		if !ok {
			return nil, fmt.Errorf("vary: %s is not a whole number", name)
		}
		fields[name] = n + i
	}
	fields["owner"] = ownerOf(fields["owner"])
	mono := uptime + at
	fields["time"], fields["mono_ns"] = booted.Add(mono).Format(time.RFC3339Nano), int64(mono)
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write event: %w", err)
	}
	return text, nil
}

// ownerOf says how an owner is known where the test does not.
func ownerOf(written any) map[string]any {
	owner := map[string]any{"provenance": "unknown"}
	if w, ok := written.(map[string]any); ok {
		if w["pid"] != nil {
			owner["provenance"] = "exact"
		}
		for name, value := range w {
			owner[name] = value
		}
	}
	return owner
}

// story is the events of a test, as they come.
type story struct {
	source  *record.Reader
	pending *events.Event
	shift   int64 // from the clock of a recording to that of the test, ns
}

// tell hands on the events up to a time, in ns since boot.
func (s *story) tell(until uint64, to func(*events.Event)) error {
	for {
		if s.pending == nil {
			var ev events.Event
			err := s.source.Next(&ev)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			ev.Time = uint64(int64(ev.Time) + s.shift)
			s.pending = &ev
		}
		if s.pending.Time > until {
			return nil
		}
		to(s.pending)
		s.pending = nil
	}
}
