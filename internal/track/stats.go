package track

import (
	"fmt"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// Stats are what a table has counted.
type Stats struct {
	Open        int // sockets not in CLOSE
	Held        int // in CLOSE, memory not yet freed
	Closed      int // closed lives kept
	Evicted     uint64
	Transitions uint64
	Retransmits uint64
	Lost        [events.NumWhere]uint64
	Verdicts    [model.Impossible + 1]uint64 // of transitions
	Ends        [model.Impossible + 1]uint64 // of closed lives
}

// Stats returns the counts so far.
func (t *Table) Stats() Stats { return t.stats }

// Capacity returns how many sockets fit.
func (t *Table) Capacity() int { return t.options.MaxSockets }

// TotalLost returns the events lost in all places.
func (s *Stats) TotalLost() (n uint64) {
	for _, lost := range s.Lost {
		n += lost
	}
	return n
}

// Completeness says in one line whether all was seen.
func (s *Stats) Completeness() string {
	lost := s.TotalLost()
	unjudged := s.Verdicts[model.Unjudged]
	if lost == 0 && unjudged == 0 {
		return "complete"
	}
	text := fmt.Sprintf("%d events lost", lost)
	sep := " ("
	for where, n := range s.Lost {
		if n > 0 {
			text += fmt.Sprintf("%s%s %d", sep, events.Where(where), n)
			sep = ", "
		}
	}
	if sep == ", " {
		text += ")"
	}
	return text + fmt.Sprintf(", %d transitions unjudged", unjudged)
}
