package record

import (
	"bufio"
	"fmt"
	"io"

	"github.com/tcpwatch/tcpwatch/internal/track"
)

// Writer writes observations as JSON Lines, or as one JSON array.
type Writer struct {
	Encoder Encoder
	array   bool
	out     *bufio.Writer
	n       int
}

// mostOfLine is the room that all lines but odd ones need.
const mostOfLine = 2 << 10

// NewWriter writes JSON Lines to w.
func NewWriter(w io.Writer, e Encoder) *Writer {
	return &Writer{Encoder: e, out: bufio.NewWriterSize(w, 64<<10)}
}

// NewArrayWriter writes one JSON array to w; Close ends it.
func NewArrayWriter(w io.Writer, e Encoder) *Writer {
	rw := NewWriter(w, e)
	rw.array = true
	return rw
}

// Write implements sink.Writer.
func (w *Writer) Write(o *track.Observation) error {
	if w.array {
		separator := ",\n"
		if w.n == 0 {
			separator = "[\n"
		}
		_, _ = w.out.WriteString(separator) // bufio keeps the error
	}
	if w.out.Available() < mostOfLine {
		_ = w.out.Flush() // so does it here
	}
	line := w.Encoder.Append(w.out.AvailableBuffer(), o) // in its place already, unless it is longer
	if w.array {
		line = line[:len(line)-1]
	}
	w.n++
	if _, err := w.out.Write(line); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

// Flush implements sink.Writer.
func (w *Writer) Flush() error {
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

// Close ends the array, if it is one.
func (w *Writer) Close() error {
	if w.array {
		end := "\n]\n"
		if w.n == 0 {
			end = "[]\n"
		}
		_, _ = w.out.WriteString(end)
	}
	return w.Flush()
}
