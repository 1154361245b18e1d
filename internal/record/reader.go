package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/tcpwatch/tcpwatch/events"
)

// maxLine bounds a line, in bytes: the longest we write has about 3,000.
const maxLine = 1 << 20

var errUnknownEvent = errors.New("parse line: unknown event")

// Reader is the Source of a recording. Lines of events that this version does
// not know are skipped and counted.
type Reader struct {
	lines   *bufio.Scanner
	closer  io.Closer
	n       int // lines read
	names   reasonNames
	pending *Line
	raw     []byte

	// Epoch is the wall-clock time of the recording's clock at 0, in ns since
	// 1970; valid from NewReader on.
	Epoch int64
	// Skipped counts lines of unknown events.
	Skipped int
}

var _ events.Source = (*Reader)(nil)

// NewReader begins to read a recording. It closes r on Close if r is a Closer.
func NewReader(r io.Reader) (*Reader, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	rd := &Reader{lines: lines}
	rd.closer, _ = r.(io.Closer)
	l, err := rd.line()
	if errors.Is(err, io.EOF) {
		return rd, nil
	}
	if err != nil {
		return nil, err
	}
	rd.pending = l
	rd.Epoch = l.Time.UnixNano() - int64(l.Mono)
	return rd, nil
}

// line reads the next line that is not empty.
func (r *Reader) line() (*Line, error) {
	for r.lines.Scan() {
		r.n++
		r.raw = bytes.TrimSpace(r.lines.Bytes())
		if len(r.raw) == 0 {
			continue
		}
		l, err := ParseLine(r.raw)
		if err != nil {
			return nil, fmt.Errorf("read recording, line %d: %w", r.n, err)
		}
		return l, nil
	}
	if err := r.lines.Err(); err != nil {
		return nil, fmt.Errorf("read recording, line %d: %w", r.n+1, err)
	}
	return nil, io.EOF
}

// Next implements events.Source.
func (r *Reader) Next(ev *events.Event) error {
	for {
		l := r.pending
		r.pending = nil
		if l == nil {
			var err error
			if l, err = r.line(); err != nil {
				return err
			}
		}
		err := l.event(ev, r.raw, &r.names)
		if errors.Is(err, errUnknownEvent) {
			r.Skipped++
			continue
		}
		if err != nil {
			return fmt.Errorf("read recording, line %d: %w", r.n, err)
		}
		return nil
	}
}

// ResetReason names the reset reasons of the recording.
func (r *Reader) ResetReason(n uint32) string { return r.names.name(n) }

// Close implements events.Source.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

// reasonNames numbers the reset reasons of a recording in the order in which
// they are met; a recording is free to hold any, so their number is bounded.
type reasonNames struct{ names []string }

const maxReasons = 256

func (r *reasonNames) number(name string) uint32 {
	for i, known := range r.names {
		if known == name {
			return uint32(i)
		}
	}
	if len(r.names) == maxReasons {
		return maxReasons
	}
	r.names = append(r.names, name)
	return uint32(len(r.names) - 1)
}

func (r *reasonNames) name(n uint32) string {
	if int(n) < len(r.names) {
		return r.names[n]
	}
	return "unknown"
}
