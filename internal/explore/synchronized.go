package explore

import "github.com/tcpwatch/tcpwatch/model"

// The errors that end a connection (asm-generic/errno.h).
const (
	errPipe        = 32
	errAborted     = 103
	errReset       = 104
	errTimedOut    = 110
	errRefused     = 111
	errUnreachable = 113
)

// inSynchronized: RFC 9293 3.10.7.4, tcp_rcv_state_process. Linux reaches SYN_RECV
// here with a child, or where SYNs crossed.
func (t *turn) inSynchronized(g segment) {
	s := t.sock()
	if g.control&(ack|rst|syn) == 0 {
		return
	}
	if s.is(fastOpen) && g.control == syn && g.seq == s.irs {
		t.sendSYNACK()
		return
	}
	if !t.validate(g) || !g.has(ack) || !t.takeACK(g) {
		return
	}
	if !t.actOnACK(g) {
		return
	}
	t.takeData(g)
}

// validate is the first, second and fourth check of the RFC, with the challenge
// ACKs of RFC 5961 (tcp_validate_incoming). It reports whether to go on.
func (t *turn) validate(g segment) bool {
	s := t.sock()
	afterFIN := g.has(rst) && g.seq == s.rcv-1 && s.in(model.CloseWait, model.LastAck, model.Closing)
	switch {
	case g.has(rst) && (g.seq == s.rcv || afterFIN): // tcp_reset_check
		t.resetReceived()
		return false
	case !g.acceptable(s.rcv):
		if !g.has(rst) {
			t.sendACK()
		}
		return false
	case g.has(rst):
		t.sendACK()
		return false
	case g.has(syn):
		// Newer kernels take the ACK of the SYN-ACK that crossed ours, older ones ask for
		// another.
		if s.state == model.SynRecv && s.is(held) && g.has(ack) && g.end() == s.rcv && g.ack == s.nxt && t.either() {
			return true
		}
		t.sendACK()
		return false
	}
	return true
}

// resetReceived is tcp_reset for an RST.
func (t *turn) resetReceived() {
	s := t.sock()
	a := acting{err: errReset, resetReceived: true}
	if s.state == model.CloseWait {
		a.err = errPipe
	}
	s.facts &^= fastOpen
	t.finish(ResetReceived, a, resets{})
}

// takeACK is the fifth check, as far as the numbers go (tcp_ack).
func (t *turn) takeACK(g segment) bool {
	s := t.sock()
	unsent, old := g.ack.after(s.nxt), g.ack.before(s.una)
	switch {
	case s.state == model.SynRecv && (unsent || old):
		s.facts |= answered
		t.answerReset(g)
		return false
	case unsent:
		t.sendACK()
		return false
	case !old:
		s.acknowledge(g.ack)
	}
	return true
}

// actOnACK is the rest of it: what an ACK does to the state. It reports whether to
// go on to the data.
func (t *turn) actOnACK(g segment) bool {
	s := t.sock()
	all := s.una == s.write
	switch s.state {
	case model.SynRecv:
		s.facts &^= fastOpen
		t.store(model.Established, acting{})
		if s.shutdown&shutSend != 0 { // deferred, from Linux 6.9
			t.queueFIN(model.FinWait1, acting{})
		}
	case model.FinWait1:
		s.facts &^= fastOpen
		if all {
			t.store(model.FinWait2, acting{})
			return !s.is(dead) || t.orphanInFinWait2(g)
		}
	case model.Closing:
		if all {
			t.leaveMini(model.TimeWait)
			t.finish(TimeWaitEntered, acting{}, resets{})
			return false
		}
	case model.LastAck:
		if all {
			t.finish(FinAcknowledged, acting{}, resets{})
			return false
		}
	}
	return true
}

// orphanInFinWait2 is what becomes of an orphan whose FIN is acknowledged. It stays
// a full socket where TCP_LINGER2 is long, and where the segment has a FIN.
func (t *turn) orphanInFinWait2(g segment) bool {
	s := t.sock()
	const handOver, stays, negative = 0, 1, 2
	how := t.choose(3)
	switch {
	case how == negative:
		a := acting{flags: model.Linger2Neg}
		t.answerReset(g)
		t.finish(Linger2Negative, a, inReply("TCP_ABORT_ON_DATA"))
	case g.end() != g.seq && g.dataEnd().after(s.rcv):
		t.answerReset(g)
		t.finish(DataAfterClose, acting{}, inReply("TCP_ABORT_ON_DATA"))
	case how == stays || g.has(fin):
		return true
	default:
		t.leaveMini(model.FinWait2)
		t.finish(FinWait2HandedOver, acting{}, resets{})
	}
	return false
}

// takeData is the seventh and eighth check: data, and the FIN. What is not the next
// is dropped, and comes again.
func (t *turn) takeData(g segment) {
	s := t.sock()
	deaf := s.shutdown&shutReceive != 0
	switch s.state {
	case model.CloseWait, model.Closing, model.LastAck:
		if !g.seq.before(s.rcv) {
			return
		}
	case model.FinWait1, model.FinWait2:
		if deaf && g.end() != g.seq && g.dataEnd().after(s.rcv) {
			t.answerReset(g)
			t.finish(DataAfterClose, acting{err: errReset, resetReceived: true}, inReply("TCP_ABORT_ON_DATA"))
			return
		}
	}
	if g.end() == g.seq {
		return
	}
	if g.seq.after(s.rcv) || !g.end().after(s.rcv) {
		t.sendACK()
		return
	}
	s.received += g.end() - s.rcv
	s.rcv = g.end()
	if g.has(fin) {
		t.takeFIN()
		return
	}
	t.sendACK()
}

// takeFIN is tcp_fin.
func (t *turn) takeFIN() {
	s := t.sock()
	s.shutdown |= shutReceive
	s.facts |= done
	t.sendACK()
	switch s.state {
	case model.SynRecv, model.Established:
		t.store(model.CloseWait, acting{})
	case model.FinWait1:
		t.store(model.Closing, acting{})
	case model.FinWait2:
		t.leaveMini(model.TimeWait)
		t.finish(TimeWaitEntered, acting{}, resets{})
	}
}
