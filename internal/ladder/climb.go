package ladder

import (
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// climber goes through the life of one end.
type climber struct {
	s        *track.Socket
	side     Side
	alone    bool // nothing else is known of the other end
	past     bool // the step under way was not seen: the socket was found there
	rungs    []Rung
	iss, irs Number
	fin      Number
	peerFIN  Number
}

// climb returns the rungs that the life of one end implies.
func climb(s *track.Socket, side Side, alone bool) []Rung {
	n := &s.Machine.Numbers
	c := &climber{
		s: s, side: side, alone: alone,
		iss: Number{n.ISS, n.Has(model.HasISS)}, irs: Number{n.IRS, n.Has(model.HasIRS)},
		fin: Number{n.FIN, n.Has(model.HasFIN)}, peerFIN: Number{n.PeerFIN, n.Has(model.HasPeerFIN)},
	}
	steps := s.History()
	for i := range steps {
		from := model.State(0)
		if i > 0 && !(s.Skipped > 0 && i == track.MaxSteps/2) {
			from = steps[i-1].State
		}
		c.past = i == 0 && s.Is(track.BeganBefore)
		c.step(from, &steps[i], i == len(steps)-1 && !s.Open())
	}
	return c.rungs
}

// add adds a rung for what this end sent, got, or became.
func (c *climber) add(time uint64, a *Arrow, own, others model.State) *Rung {
	if a != nil && c.past {
		a.Observed = false
	}
	r := Rung{Time: time, Arrow: a}
	if own != 0 {
		r.States[c.side] = State{State: own}
	}
	if others != 0 && c.alone {
		r.States[c.side.Other()] = State{State: others, Inferred: true}
	}
	c.rungs = append(c.rungs, r)
	return &c.rungs[len(c.rungs)-1]
}

// sent is an arrow from this end: that it went is inferred.
func (c *climber) sent(k Kind, seq, ack Number, again uint32) *Arrow {
	return &Arrow{From: c.side, Kind: k, Seq: seq, Ack: ack, Again: again}
}

// got is an arrow to this end, whose event shows that it came.
func (c *climber) got(k Kind, seq, ack Number) *Arrow {
	return &Arrow{From: c.side.Other(), Kind: k, Seq: seq, Ack: ack, Observed: true}
}

var none Number

// step adds the rungs of one transition.
func (c *climber) step(from model.State, st *track.Step, last bool) {
	again := &c.s.Retransmits
	switch {
	case st.State == model.SynSent:
		c.add(st.Time, nil, model.SynSent, 0)
		if c.iss.Known || again.SYN > 0 || c.answered() {
			c.rungs[len(c.rungs)-1].Arrow = c.sent(SYN, c.iss, none, again.SYN)
		}
	case from == model.SynSent && st.State == model.Established:
		c.add(st.Time, c.got(SYNACK, c.irs, c.iss.plus(1)), model.Established, model.SynRecv)
		c.add(0, c.sent(HandshakeACK, c.iss.plus(1), c.irs.plus(1), 0), 0, 0)
	case from == model.SynSent && st.State == model.SynRecv:
		c.add(st.Time, c.got(SYN, c.irs, none), model.SynRecv, model.SynSent)
		c.add(0, c.sent(SYNACK, c.iss, c.irs.plus(1), again.SYNACK), 0, 0)
	case st.State == model.SynRecv: // a child: its handshake is over but for the event
		c.add(0, c.got(SYN, c.irs, none), 0, model.SynSent)
		c.add(0, c.sent(SYNACK, c.iss, c.irs.plus(1), again.SYNACK), 0, 0)
		c.add(st.Time, nil, model.SynRecv, 0)
	case from == model.SynRecv && st.State == model.Established:
		c.add(st.Time, c.got(HandshakeACK, none, c.iss.plus(1)), model.Established, model.Established)
	case from == st.State: // close() after shutdown(): nothing is sent
	case st.State == model.FinWait1 || st.State == model.LastAck:
		c.add(st.Time, c.sent(FIN, c.fin, none, again.FIN), st.State, 0)
	case st.State == model.FinWait2:
		c.add(st.Time, c.got(FINACK, none, c.fin.plus(1)), st.State, model.CloseWait)
	case st.State == model.CloseWait:
		c.peerCloses(st.Time, st.State, model.FinWait1)
	case st.State == model.Closing:
		c.peerCloses(st.Time, st.State, model.FinWait1)
	case st.State == model.Close && last:
		c.ends(from, st.Time)
	default:
		c.add(st.Time, nil, st.State, 0)
	}
}

// peerCloses: the peer's FIN came, and is acknowledged.
func (c *climber) peerCloses(time uint64, own, others model.State) {
	c.add(time, c.got(FIN, c.peerFIN, none), own, others)
	c.add(0, c.sent(FINACK, c.fin.plus(1), c.peerFIN.plus(1), 0), 0, 0)
}

// answered reports whether the end shows that the SYN went.
func (c *climber) answered() bool {
	if c.s.Is(track.Established) {
		return true
	}
	switch c.s.End.Reason {
	case model.ReasonRefused, model.ReasonUnreachable, model.ReasonTimeoutSyn, model.ReasonResetByPeer:
		return true
	}
	return false
}

// ends adds the end of the full socket, and the mini-socket that follows.
func (c *climber) ends(from model.State, time uint64) {
	s := c.s
	orderly := s.End.Reason == model.ReasonFin
	switch {
	case orderly && from == model.LastAck:
		c.add(time, c.got(FINACK, none, c.fin.plus(1)), model.Close, model.TimeWait)
	case orderly && from == model.Closing:
		c.add(time, c.got(FINACK, none, c.fin.plus(1)), model.TimeWait, model.Closing).States[c.side].Mini = true
	case orderly && from == model.FinWait2 && s.Last.Has(model.Done):
		c.peerCloses(time, model.TimeWait, model.LastAck)
		c.rungs[len(c.rungs)-2].States[c.side].Mini = true
	case orderly && from == model.FinWait2:
		c.add(time, nil, model.FinWait2, 0).States[c.side].Mini = true
		if c.peerFIN.Known {
			c.peerCloses(0, model.TimeWait, model.LastAck)
			c.rungs[len(c.rungs)-2].States[c.side].Mini = true
		}
	default:
		c.aborts(time)
	}
}

// aborts adds an end that is none of RFC 9293 3.6.
func (c *climber) aborts(time uint64) {
	s := c.s
	r := c.add(time, nil, model.Close, 0)
	switch {
	case s.EndedWithReset() && (s.End.By == model.ClosedByLocal || s.End.By == model.ClosedByKernel):
		r.Arrow = c.sent(RST, none, none, 0)
		r.Arrow.Observed = true // the kernel tells of those it sends
	case s.Is(track.ResetIn) && s.End.By == model.ClosedByPeer:
		r.Arrow = c.got(RST, none, none)
	}
}
