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
	line    []byte
	n       int
}

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
	w.line = w.Encoder.Append(w.line[:0], o)
	if w.array {
		separator := ",\n"
		if w.n == 0 {
			separator = "[\n"
		}
		_, _ = w.out.WriteString(separator) // bufio keeps the error
		w.line = w.line[:len(w.line)-1]
	}
	w.n++
	if _, err := w.out.Write(w.line); err != nil {
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
