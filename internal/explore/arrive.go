package explore

import "github.com/tcpwatch/tcpwatch/model"

// arrive gives a segment to whoever is there for it (tcp_v4_rcv).
func (t *turn) arrive(g segment) {
	e := t.end()
	switch {
	case e.sock.state == model.SynSent:
		t.inSynSent(g)
	case e.sock.live():
		t.inSynchronized(g)
	case e.request.waits:
		t.atRequest(g)
	case e.mini.state != 0:
		t.atMini(g)
	case e.listening:
		t.atListener(g)
	default:
		t.answerReset(g) // RFC 9293 3.10.7.1
	}
}

// atListener: RFC 9293 3.10.7.2. Linux makes a request of a SYN, or, where it has
// TCP Fast Open data, a socket at once.
func (t *turn) atListener(g segment) {
	switch {
	case g.has(ack):
		t.answerReset(g)
	case g.has(rst|fin) || !g.has(syn) || t.end().lives == t.x.bounds.Lives:
	case t.x.bounds.FastOpen && g.length > 0 && t.either():
		iss := t.end().newISS()
		t.newborn(model.Listen, iss, g.seq)
		s := t.sock()
		s.facts |= fastOpen
		s.rcv += g.length
		s.received += g.length
		t.sendSYNACK()
	default:
		r := &t.end().request
		*r = request{waits: true, iss: t.end().newISS(), irs: g.seq}
		t.send(r.synACK())
		t.pair()
	}
}

func (r *request) synACK() segment {
	return segment{control: syn | ack, seq: r.iss, ack: r.irs + 1}
}

// atRequest: tcp_check_req.
func (t *turn) atRequest(g segment) {
	r := &t.end().request
	switch {
	case !t.end().listening: // inet_csk_reqsk_queue_drop_and_put
		*r = request{}
		t.answerReset(g)
	case g.control == syn && g.seq == r.irs:
		t.send(r.synACK())
	case g.has(ack) && g.ack != r.iss+1:
		t.answerReset(g)
	case !g.acceptable(r.irs + 1):
		if !g.has(rst) {
			t.send(segment{control: ack, seq: r.iss + 1, ack: r.irs + 1})
		}
	case g.has(rst) || g.has(syn) && g.seq != r.irs:
		*r = request{}
		t.answerReset(g)
		t.pair()
	case g.has(ack):
		t.promote(g)
	}
}

// promote makes a socket of a request (tcp_v4_syn_recv_sock), which sometimes fails,
// and sometimes meets a listener that was closed between two looks at it.
func (t *turn) promote(g segment) {
	r := t.end().request
	t.end().request = request{}
	const fine, failed, closing = 0, 1, 2
	switch t.choose(3) {
	case fine:
		t.newborn(model.Listen, r.iss, r.irs)
		t.inSynchronized(g)
	case failed:
		t.newborn(model.Listen, r.iss, r.irs)
		t.sock().facts |= dead
		t.finish(ChildFailed, acting{unlocked: true}, resets{})
	case closing:
		t.stopListening()
		t.newborn(model.Close, r.iss, r.irs)
		t.dropChild()
	}
}

// newborn is inet_csk_clone_lock: a socket, of which the event knows nothing yet.
func (t *turn) newborn(from model.State, iss, irs number) {
	s := t.sock()
	*s = socket{
		state: from, facts: child | peerSYN,
		iss: iss, una: iss + 1, nxt: iss + 1, write: iss + 1,
		irs: irs, rcv: irs + 1, copied: irs + 1,
	}
	t.store(model.SynRecv, acting{})
}

// dropChild is inet_child_forget: a child that no process ever had goes with its
// listener.
func (t *turn) dropChild() {
	r := resets{}
	if needsReset(t.sock().state) {
		r = activeAfter("TCP_STATE")
		t.sendReset()
	}
	t.finish(ListenerGone, acting{}, r)
}

// atMini: tcp_timewait_state_process.
func (t *turn) atMini(g segment) {
	if t.end().mini.state == model.FinWait2 {
		t.atMiniFinWait2(g)
	} else {
		t.atTimeWait(g)
	}
}

func (m *mini) ack() segment { return segment{control: ack, seq: m.nxt, ack: m.rcv} }

func (t *turn) atMiniFinWait2(g segment) {
	m := &t.end().mini
	switch {
	case !g.acceptable(m.rcv):
		if !g.has(rst) {
			t.send(m.ack())
		}
	case g.has(rst):
		*m = mini{}
	case g.has(syn) && !g.seq.before(m.rcv):
		*m = mini{}
		t.answerReset(g)
	case !g.has(ack) || !g.end().after(m.rcv) || g.end() == g.seq:
		// nothing new
	case !g.has(fin) || g.end() != m.rcv+1: // data that nobody can read
		*m = mini{}
		t.answerReset(g)
	default:
		m.state, m.rcv = model.TimeWait, g.end()
		t.send(m.ack())
		t.pair()
	}
}

// atTimeWait: RFC 9293 3.10.7.4, and 3.6.1 for a SYN. An RST ends it unless
// net.ipv4.tcp_rfc1337 is set, when nothing does.
func (t *turn) atTimeWait(g segment) {
	m := &t.end().mini
	switch {
	case g.has(rst) && g.seq == m.rcv:
		*m = mini{}
	case g.has(rst):
	case g.control == syn && g.seq.after(m.rcv) && t.end().listening:
		*m = mini{}
		t.atListener(g)
	default:
		t.send(m.ack())
	}
}
