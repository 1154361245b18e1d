// Package metrics counts what happens to the sockets of a host, and shows it to
// Prometheus. Nothing in it grows with the number of sockets, processes or
// addresses.
package metrics

import (
	"sync/atomic"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

const (
	numVerdicts = int(model.Impossible) + 1
	numRoles    = int(model.RoleListener) + 1
	numSegments = int(track.SegmentFIN) + 1
	lagEvery    = 64 // of so many events, one is held against the clock
)

// counts are what Observe counts: arrays, so that it neither allocates nor looks
// anything up.
type counts struct {
	processed   atomic.Uint64
	transitions [model.NumStates][model.NumStates]atomic.Uint64 // by the state left, and entered
	verdicts    [][numVerdicts]atomic.Uint64                    // by rule
	inState     [model.NumStates]histogram
	handshakes  [numRoles][numOutcomes]histogram
	opened      [numRoles]atomic.Uint64
	closed      []atomic.Uint64 // by close reason
	resets      [2]atomic.Uint64
	retransmits [numSegments]atomic.Uint64
	lag         histogram
}

func (c *counts) init() {
	c.verdicts = make([][numVerdicts]atomic.Uint64, len(model.Rules())+1)
	c.closed = make([]atomic.Uint64, len(model.CloseReasons()))
}

// outcome is how a handshake went.
type outcome uint8

const (
	outcomeOK outcome = iota
	outcomeRefused
	outcomeTimeout
	outcomeReset
	outcomeOther
	numOutcomes
)

var outcomeNames = [numOutcomes]string{"ok", "refused", "timeout", "reset", "other"}

// outcomes are of the close reasons; the others are other.
var outcomes = map[model.CloseReason]outcome{
	model.ReasonRefused:     outcomeRefused,
	model.ReasonTimeoutSyn:  outcomeTimeout,
	model.ReasonResetByPeer: outcomeReset,
}

// Observe implements track.Sink.
func (m *Metrics) Observe(o *track.Observation) {
	c := &m.counts
	if n := c.processed.Add(1); m.o.Now != nil && n%lagEvery == 0 {
		now := m.o.Now()
		c.lag.observe(now - min(now, o.Event.Time))
	}
	switch o.Event.Kind {
	case events.Transition:
		c.transition(o)
	case events.Closed:
		c.end(o)
	case events.Mini:
		if o.MiniEnded {
			c.judge(&o.Judgement)
			c.dwell(o.Event.From, o.InState)
		}
	case events.Retransmit, events.SynAck:
		c.retransmits[o.Segment&3].Add(1)
	case events.ResetSent:
		c.resets[0].Add(1)
	case events.ResetReceived:
		c.resets[1].Add(1)
	}
}

func (c *counts) transition(o *track.Observation) {
	from, to := known(o.Event.From), known(o.Event.To)
	c.transitions[from][to].Add(1)
	c.judge(&o.Judgement)
	c.dwell(from, o.InState)
	if to == model.Established && (from == model.SynSent || from == model.SynRecv) {
		role := knownRole(o.Role)
		c.opened[role].Add(1)
		if o.InState >= 0 {
			c.handshakes[role][outcomeOK].observe(uint64(o.InState))
		}
	}
}

func (c *counts) end(o *track.Observation) {
	s := o.Socket
	if s == nil {
		return
	}
	c.judge(&o.Judgement)
	if r := int(s.End.Reason); r < len(c.closed) {
		c.closed[r].Add(1)
	}
	if (s.EndFrom == model.SynSent || s.EndFrom == model.SynRecv) && s.Born != 0 && s.EndTime >= s.Born {
		how, ok := outcomes[s.End.Reason]
		if !ok {
			how = outcomeOther
		}
		c.handshakes[knownRole(o.Role)][how].observe(s.EndTime - s.Born)
	}
}

func (c *counts) judge(j *model.Judgement) {
	if int(j.Rule) < len(c.verdicts) && int(j.Verdict) < numVerdicts {
		c.verdicts[j.Rule][j.Verdict].Add(1)
	}
}

// dwell counts how long a socket was in a state, where its beginning was seen.
func (c *counts) dwell(s model.State, ns int64) {
	if ns >= 0 {
		c.inState[known(s)].observe(uint64(ns))
	}
}

// known is 0 for the number of no state: a hostile or future one makes no series of
// its own.
func known(s model.State) model.State {
	if s.Valid() {
		return s
	}
	return 0
}

func knownRole(r model.Role) model.Role {
	if int(r) < numRoles {
		return r
	}
	return model.RoleUnknown
}
