package events

import "io"

// Source yields events in the order in which they happened to each socket.
// Live capture, inventories, recordings and tests are all Sources.
type Source interface {
	// Next fills ev with the next event and returns nil, or returns io.EOF
	// after the last one. Everything in ev is overwritten.
	Next(ev *Event) error
	// Close frees what the Source holds. A blocked Next returns io.EOF.
	Close() error
}

// Slice is a Source over events in memory, for tests.
type Slice []Event

var _ Source = (*Slice)(nil)

// Next implements Source.
func (s *Slice) Next(ev *Event) error {
	if len(*s) == 0 {
		return io.EOF
	}
	*ev = (*s)[0]
	*s = (*s)[1:]
	return nil
}

// Close implements Source.
func (s *Slice) Close() error { return nil }
