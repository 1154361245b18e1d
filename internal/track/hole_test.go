package track

import (
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// A loss is told of before the records of its pass, but the hole may lie
// anywhere among them, or among the first of the next pass.
func TestHoleWithinAPass(t *testing.T) {
	for _, test := range []struct {
		scenario string
		ticks    int // between the event before the hole and the one after
		want     model.Verdict
	}{
		{"the hole is after the last record of the pass", 1, model.Unjudged},
		{"the hole is two passes back", 2, model.Unjudged},
		{"the hole was told of, and the socket was seen since", 3, model.Unjudged},
	} {
		t.Run(test.scenario, func(t *testing.T) {
			s := play(t, Options{})
			s.pass(1)
			s.pass(1)
			s.lose(5, events.WhereRing)
			k := s.socket(1).to(synSent, established)
			for range test.ticks {
				s.pass(1)
			}
			k.st = closeWait // its FIN was in the hole
			k.to(lastAck)
			s.wantVerdicts(model.Normal, model.Normal, test.want)
		})
	}
}

// Long after a loss, what a socket did since is judged strictly again.
func TestHoleLongAgo(t *testing.T) {
	s := play(t, Options{})
	s.lose(5, events.WhereRing)
	s.pass(1)
	s.pass(1)
	s.pass(1)
	k := s.socket(1).to(synSent, established)
	s.pass(1)
	k.st = closeWait // nothing was lost here: this cannot be
	k.to(lastAck)
	s.wantVerdicts(model.Normal, model.Normal, model.Impossible)
}
