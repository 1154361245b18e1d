package explore

import "github.com/tcpwatch/tcpwatch/model"

// accidents are what happens to an end without its process: timers (RFC 9293 3.8),
// the network's word, an administrator, a crash.
var accidents = [...]action{
	{"retransmit", (*turn).retransmit},
	{"window opens", (*turn).windowOpens},
	{"give up", (*turn).giveUp},
	{"keepalive", (*turn).keepalive},
	{"FIN_WAIT2 timer", (*turn).finWait2Timer},
	{"request timer", (*turn).requestTimer},
	{"mini-socket timer", (*turn).miniTimer},
	{"ICMP", (*turn).icmp},
	{"abort", (*turn).abort},
	{"abort listener", (*turn).abortListener},
	{"crash", (*turn).crash},
}

// retransmit sends again what is not acknowledged, with the newest ACK.
func (t *turn) retransmit() bool {
	s := t.sock()
	if !s.live() || s.una == s.nxt && !s.is(fastOpen) {
		return false
	}
	if s.state == model.SynSent {
		return false // the same SYN: it is on its way for ever
	}
	from := s.una
	if s.is(fastOpen) || from == s.iss {
		t.sendSYNACK()
	}
	if from == s.iss {
		from++
	}
	if from == s.nxt {
		return true
	}
	g := segment{control: ack, seq: from, ack: s.rcv, length: s.nxt - from}
	if s.finQueued() && s.nxt == s.write {
		g.control |= fin
		g.length--
	}
	t.send(g)
	if g.has(fin) && g.length > 0 { // as two, where they were two
		t.send(segment{control: ack, seq: from, ack: s.rcv, length: g.length})
		t.send(segment{control: ack | fin, seq: s.nxt - 1, ack: s.rcv})
	}
	return true
}

func (t *turn) windowOpens() bool {
	s := t.sock()
	if !s.live() || s.nxt == s.write {
		return false
	}
	t.transmit()
	return true
}

// giveUp: tcp_write_err, after retransmissions or window probes. An ICMP message on
// the way is remembered. An orphan may end for want of memory, with or without RST.
func (t *turn) giveUp() bool {
	s := t.sock()
	resending, probing := s.una != s.nxt || s.is(fastOpen), s.una == s.nxt && s.nxt != s.write
	if !s.live() || !resending && !probing {
		return false
	}
	a := acting{err: errTimedOut, retransmits: 1}
	fate := NeverAcknowledged
	if !resending {
		a.retransmits, a.probes = 0, 1
		fate = WindowNeverOpened
	}
	const silence, soft, memory, memoryReset = 0, 1, 2, 3
	choices := 2
	if s.is(dead) && t.x.bounds.Memory {
		choices = 4
	}
	switch t.choose(choices) {
	case silence:
		t.finish(fate, a, resets{})
	case soft:
		a.err, a.errSoft = errUnreachable, errUnreachable
		t.finish(NeverAcknowledgedSoft, a, resets{})
	case memory:
		a.err = 0
		t.finish(OutOfMemorySilently, a, resets{})
	case memoryReset:
		a.err = 0
		t.sendReset()
		t.finish(OutOfMemory, a, activeBefore("TCP_ABORT_ON_MEMORY"))
	}
	return true
}

// keepalive: RFC 9293 3.8.4, tcp_keepalive_timer.
func (t *turn) keepalive() bool {
	s := t.sock()
	if !s.in(model.Established, model.CloseWait, model.FinWait2) || s.is(dead) || s.una != s.write {
		return false
	}
	t.sendReset()
	t.finish(KeepaliveUnanswered, acting{err: errTimedOut, probes: 1, unlocked: true}, activeBefore("TCP_KEEPALIVE_TIMEOUT"))
	return true
}

// finWait2Timer: the orphan becomes a mini-socket for the last minute, or ends.
func (t *turn) finWait2Timer() bool {
	s := t.sock()
	if s.state != model.FinWait2 || !s.is(dead) {
		return false
	}
	if t.either() {
		t.leaveMini(model.FinWait2)
		t.finish(FinWait2HandedOver, acting{unlocked: true}, resets{})
		return true
	}
	t.sendReset()
	t.finish(FinWait2TooLong, acting{unlocked: true}, activeBefore("TCP_STATE"))
	return true
}

func (t *turn) requestTimer() bool {
	waits := t.end().request.waits
	t.end().request = request{}
	return waits
}

func (t *turn) miniTimer() bool {
	waits := t.end().mini.state != 0
	t.end().mini = mini{}
	return waits
}

// icmp: tcp_v4_err for a SYN. Later messages end nothing.
func (t *turn) icmp() bool {
	if t.sock().state != model.SynSent {
		return false
	}
	if t.either() {
		t.finish(RefusedByICMP, acting{err: errRefused}, resets{})
	} else {
		t.finish(UnreachableByICMP, acting{err: errUnreachable}, resets{})
	}
	return true
}

// abort: ss -K (tcp_abort). Up to Linux 6.10 orphans are spared.
func (t *turn) abort() bool {
	s := t.sock()
	if !s.live() {
		return false
	}
	r := resets{}
	if needsReset(s.state) {
		t.sendReset()
		r = activeBefore("TCP_STATE")
	}
	t.finish(Aborted, acting{owned: true, err: errAborted}, r)
	return true
}

// abortListener stores CLOSE twice.
func (t *turn) abortListener() bool {
	if !t.end().listening {
		return false
	}
	t.stopListening()
	t.storeListener(model.Close, model.Close)
	t.endListener()
	return true
}

// crash: the host is gone without a word, and may come back, knowing nothing
// (RFC 9293 3.5.1).
func (t *turn) crash() bool {
	e := t.end()
	if *e == (end{lives: e.lives}) {
		return false
	}
	*e = end{lives: e.lives}
	return true
}
