// Package check decides whether what happened to some sockets was in order, for
// scripts and for CI.
package check

import (
	"fmt"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// MaxStories bounds the histories that are kept to be told; the others are counted.
const MaxStories = 100

// Checker is a sink.Writer that judges the lives of the sockets that it is asked
// about, as they end.
type Checker struct {
	// FailOn is the least verdict that is a failure: Notable, Abnormal or Impossible.
	FailOn model.Verdict
	// Ours reports whether a life is asked about.
	Ours func(*track.Observation) bool

	result Result
}

// Story is one life that was not in order.
type Story struct {
	Socket track.Socket
	Time   uint64 // ns since boot, as of which it is told
}

// Result is what a Checker has found.
type Result struct {
	Lives    int                       // sockets that were asked about, and had an event
	Verdicts [model.Impossible + 1]int // of lives that have ended
	Failed   int                       // lives at or above FailOn
	Stories  []Story                   // of those, the first
	Unproven int                       // lives unjudged because events were lost
	Lost     [events.NumWhere]uint64   // events
	Breaches []Breach                  // of limits
}

// Write implements sink.Writer.
func (c *Checker) Write(o *track.Observation) error {
	switch o.Event.Kind {
	case events.Lost:
		c.result.Lost[o.Event.Where%events.NumWhere] += o.Event.LostCount
	case events.Closed:
		if o.Socket != nil && c.Ours(o) {
			c.end(o)
		}
	}
	return nil
}

// Flush implements sink.Writer.
func (c *Checker) Flush() error { return nil }

func (c *Checker) end(o *track.Observation) {
	s := o.Socket
	if s.Steps == 0 || s.Role == model.RoleListener {
		return // it did nothing, or listened
	}
	c.result.Lives++
	v := o.Judgement.Verdict
	c.result.Verdicts[v]++
	if v == model.Unjudged && o.Judgement.Rule == model.RuleEventsLost {
		c.result.Unproven++
	}
	if c.fails(v) {
		c.fail(s, o.Event.Time)
	}
}

func (c *Checker) fails(v model.Verdict) bool { return v != model.Unjudged && v >= c.FailOn }

func (c *Checker) fail(s *track.Socket, time uint64) {
	c.result.Failed++
	if len(c.result.Stories) < MaxStories {
		c.result.Stories = append(c.result.Stories, Story{*s, time})
	}
}

// Result ends the check: of the sockets of the table that have not ended, those
// whose steps were not in order fail too. now is in ns since boot.
func (c *Checker) Result(table *track.Table, now uint64) *Result {
	for _, row := range table.Rows(nil) {
		s, ok := table.Socket(&row)
		if !ok || !s.Open() || s.Steps == 0 || !c.Ours(s.Observation(now)) {
			continue
		}
		if s.Role != model.RoleListener {
			c.result.Lives++
		}
		if c.fails(s.Worst) {
			c.fail(&s, now)
		}
	}
	return &c.result
}

// Proven reports whether nothing is missing that could have told of a failure.
func (r *Result) Proven() bool {
	return r.lost() == 0 && r.Unproven == 0
}

func (r *Result) lost() (n uint64) {
	for _, one := range r.Lost {
		n += one
	}
	return n
}

// Passed reports whether nothing failed.
func (r *Result) Passed() bool { return r.Failed == 0 && len(r.Breaches) == 0 }

// Status is the outcome in one word.
func (r *Result) Status() string {
	switch {
	case !r.Passed():
		return "failed"
	case !r.Proven():
		return "not proven"
	}
	return "passed"
}

// Summary is the outcome in one line.
func (r *Result) Summary() string {
	text := r.Status() + ": " + counted(r.Lives, "connection")
	for _, v := range []model.Verdict{model.Normal, model.Notable, model.Abnormal, model.Impossible, model.Unjudged} {
		if n := r.Verdicts[v]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, v)
		}
	}
	if n := r.lost(); n > 0 {
		text += ", " + counted(int(n), "event") + " lost"
	}
	return text
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
