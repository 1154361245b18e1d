package tui

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// counts are the numbers at the top of the screen.
type counts struct {
	stats    track.Stats
	capacity int
	tally    tally
	now      uint64
	status   string // where the events come from
	extra    string // more to say of losses
}

// tally counts the sockets of one snapshot.
type tally struct {
	states   [stripStates]int
	abnormal uint64 // open, and something about them is abnormal
}

// stripStates is how many counts the state strip has: one a state, and the
// held.
const stripStates = model.NumStates + 1

// stripHeld is where the strip counts the sockets that are held in CLOSE.
const stripHeld = model.NumStates

func tallyOf(rows []track.Row) (t tally) {
	for i := range rows {
		r := &rows[i]
		switch {
		case held(r):
			t.states[stripHeld]++
		case r.Facts&track.Ended == 0 && r.State.Valid():
			t.states[r.State]++
		}
		if r.Facts&track.Reported == 0 && r.Verdict == model.Abnormal {
			t.abnormal++
		}
	}
	return t
}

// impossible counts the transitions that are not in the machine.
func (c *counts) impossible() uint64 { return c.stats.Verdicts[model.Impossible] }

// abnormal counts the lives that ended so, and the open ones that are so.
func (c *counts) abnormal() uint64 { return c.stats.Ends[model.Abnormal] + c.tally.abnormal }

// unjudged counts the lives that ended without a verdict.
func (c *counts) unjudged() uint64 { return c.stats.Ends[model.Unjudged] }

// fill returns how full the table is, in percent.
func (c *counts) fill() int {
	if c.capacity == 0 {
		return 0
	}
	return (c.stats.Open + c.stats.Held + c.stats.Closed) * 100 / c.capacity
}

// lostWhere says where events were lost, empty if none were.
func (c *counts) lostWhere() string {
	text, sep := "", " ("
	for where, n := range c.stats.Lost {
		if n > 0 {
			text += sep + events.Where(where).String() + " " + grouped(n)
			sep = ", "
		}
	}
	if text == "" {
		return ""
	}
	return text + ")"
}
