package track

import (
	"fmt"
	"strings"

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
	Unjudged    uint64                       // sockets that could not be judged, because events were lost
	Verdicts    [model.Impossible + 1]uint64 // of transitions
	Ends        [model.Impossible + 1]uint64 // of closed lives
	Waiting     int                          // mini-sockets: TIME_WAIT, and FIN_WAIT2 of orphans
	MiniEnds    [model.NumTimeWaitEnds]uint64
	Mended      Mending
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
	if lost == 0 && s.Unjudged == 0 && s.Mended.Total() == 0 {
		return "complete"
	}
	if lost == 0 && s.Unjudged == 0 {
		return s.Mended.String()
	}
	var places []string
	for where, n := range s.Lost {
		if n > 0 {
			places = append(places, fmt.Sprintf("%s %d", events.Where(where), n))
		}
	}
	text := plural(lost, "event") + " lost"
	if len(places) > 0 {
		text += " (" + strings.Join(places, ", ") + ")"
	}
	text += ", " + plural(s.Unjudged, "socket") + " unjudged"
	if s.Mended.Total() > 0 {
		text += ", " + s.Mended.String()
	}
	return text
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// countUnjudged notes, once per life, that a verdict was withheld because
// events were lost. A life met mid-life is no loss.
func (t *Table) countUnjudged(s *Socket, j model.Judgement) {
	if j.Verdict == model.Unjudged && j.Rule != model.RuleBeganBefore && !s.Is(Unproven) {
		s.Facts |= Unproven
		t.stats.Unjudged++
	}
}
