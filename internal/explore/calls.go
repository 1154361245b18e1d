package explore

import "github.com/tcpwatch/tcpwatch/model"

// action is a step that an end can make by itself. It reports whether it could.
type action struct {
	name string
	do   func(*turn) bool
}

// calls are the system calls of RFC 9293 3.9.1, as a process makes them on Linux.
var calls = [...]action{
	{"connect", (*turn).connect},
	{"listen", (*turn).listen},
	{"close listener", (*turn).closeListener},
	{"accept", (*turn).accept},
	{"send", (*turn).write},
	{"receive", (*turn).read},
	{"shutdown", (*turn).shut},
	{"close", (*turn).close},
	{"disconnect", (*turn).disconnect},
}

var byCall = acting{owned: true}

// connect: tcp_v4_connect, on a new socket or one that has closed. Over TIME_WAIT it
// may go (net.ipv4.tcp_tw_reuse, RFC 6191).
func (t *turn) connect() bool {
	e := t.end()
	if e.sock.live() || e.request.waits || e.listening || e.lives == t.x.bounds.Lives || e.mini.state == model.FinWait2 {
		return false
	}
	old := e.sock
	if old.state == model.Close && t.either() {
		old = socket{} // another socket
	}
	s := t.sock()
	*s = socket{state: model.Close, machine: old.machine, facts: held}
	if t.either() {
		return t.connectFails()
	}
	e.mini = mini{}
	s.iss = e.newISS()
	t.store(model.SynSent, byCall)
	s.una, s.nxt, s.write = s.iss, s.iss+1, s.iss+1
	if t.x.bounds.FastOpen && t.x.bounds.Data > 0 && t.either() { // RFC 7413
		s.nxt++
		s.write++
		t.send(segment{control: syn, seq: s.iss, length: 1})
	}
	t.send(segment{control: syn, seq: s.iss})
	return true
}

// connectFails: no port is free, and no SYN is sent.
func (t *turn) connectFails() bool {
	t.store(model.SynSent, byCall)
	t.finish(ConnectFailed, byCall, resets{})
	*t.sock() = socket{}
	return true
}

func (t *turn) listen() bool {
	e := t.end()
	if e.listening || e.sock.live() && !e.sock.is(child) || e.lives == t.x.bounds.Lives {
		return false
	}
	e.listening = true
	t.storeListener(model.Close, model.Listen)
	return true
}

// closeListener: inet_csk_listen_stop, with the child in its queue.
func (t *turn) closeListener() bool {
	if !t.end().listening {
		return false
	}
	t.stopListening()
	t.endListener()
	return true
}

func (t *turn) stopListening() {
	t.storeListener(model.Listen, model.Close)
	t.end().listening = false
	t.x.watch.End(t, ListenerStopped, &model.Ending{From: model.Listen, Evidence: model.Evidence{Flags: model.Owned | model.HasSocket}})
}

// endListener drops the child that was not accepted, and the listener's memory.
func (t *turn) endListener() {
	t.end().listener = model.Machine{}
	if s := t.sock(); s.live() && s.is(child) && !s.is(held|dead) {
		t.dropChild()
	}
}

func (t *turn) accept() bool {
	s := t.sock()
	if !t.end().listening || !s.live() || !s.is(child) || s.is(held|dead) {
		return false
	}
	s.facts |= held
	return true
}

// maySend: what was sent, SYN and FIN aside, is within bounds, and more may follow.
func (t *turn) maySend() bool {
	s := t.sock()
	return s.is(held) && s.shutdown&shutSend == 0 && s.write-s.iss-1 < t.x.bounds.Data &&
		(s.in(model.Established, model.CloseWait) || s.state == model.SynRecv && s.is(fastOpen))
}

// write queues one byte. The peer's window may be shut: then it waits.
func (t *turn) write() bool {
	if !t.maySend() {
		return false
	}
	s := t.sock()
	s.write++
	if t.x.bounds.Windows && t.either() {
		return true
	}
	t.transmit()
	return true
}

// transmit sends what is queued and was not sent.
func (t *turn) transmit() {
	s := t.sock()
	g := segment{control: ack, seq: s.nxt, ack: s.rcv, length: s.write - s.nxt}
	if s.finQueued() {
		g.control |= fin
		g.length--
	}
	s.nxt = s.write
	t.send(g)
}

func (t *turn) read() bool {
	s := t.sock()
	if !s.live() || !s.is(held) || s.unread() == 0 {
		return false
	}
	s.copied = s.rcv
	return true
}

// shut is shutdown() for sending, or for both. In SYN_SENT it is a disconnect.
func (t *turn) shut() bool {
	s := t.sock()
	if !s.live() || !s.is(held) {
		return false
	}
	if s.state == model.SynSent {
		t.finish(Abandoned, byCall, resets{})
		return true
	}
	how := uint8(shutSend)
	if t.either() {
		how = shutBoth
	}
	if s.shutdown|how == s.shutdown {
		return false
	}
	s.shutdown |= how
	switch s.state {
	case model.SynRecv:
		if t.either() { // up to Linux 6.8; from then on it waits for the handshake
			t.queueFIN(model.FinWait1, byCall)
		}
	case model.Established:
		t.queueFIN(model.FinWait1, byCall)
	case model.CloseWait:
		t.queueFIN(model.LastAck, byCall)
	}
	return true
}

// queueFIN is tcp_close_state and tcp_send_fin: the event comes before the FIN has
// its number. Behind a shut window it waits.
func (t *turn) queueFIN(to model.State, a acting) {
	s := t.sock()
	t.store(to, a)
	waits := s.nxt != s.write
	s.write++
	if !waits {
		t.transmit()
	}
}

// close is __tcp_close: with data unread or SO_LINGER 0 an abort, else a FIN.
func (t *turn) close() bool {
	s := t.sock()
	if !s.live() || !s.is(held) {
		return false
	}
	s.shutdown = shutBoth
	switch {
	case s.state != model.SynSent && s.unread() > 0:
		a := byCall
		if t.either() {
			a.flags = model.Linger0
		}
		t.sendReset()
		t.finish(UnreadThrownAway, a, activeAfter("TCP_ABORT_ON_CLOSE"))
	case t.either():
		t.abortByLinger()
	case s.state == model.SynSent:
		t.finish(Abandoned, byCall, resets{})
	default:
		t.closeInOrder()
	}
	if s.state == model.Close {
		*s = socket{} // nobody holds it
	}
	return true
}

func (t *turn) abortByLinger() {
	a := byCall
	a.flags = model.Linger0
	if t.sock().state == model.SynSent {
		t.finish(Abandoned, a, resets{})
		return
	}
	t.finish(LingerZero, a, t.disconnectReset())
}

// closeInOrder is tcp_close_state, tcp_send_fin, and what becomes of the orphan.
func (t *turn) closeInOrder() {
	s := t.sock()
	switch s.state {
	case model.SynRecv, model.Established:
		t.queueFIN(model.FinWait1, byCall)
	case model.CloseWait:
		t.queueFIN(model.LastAck, byCall)
	default:
		t.store(s.state, byCall) // after shutdown()
	}
	s.facts |= dead
	s.facts &^= held
	if s.state == model.FinWait2 {
		t.closeInFinWait2()
	} else if t.x.bounds.Memory && t.either() {
		t.outOfMemory()
	}
}

// outOfMemory: tcp_check_oom in close().
func (t *turn) outOfMemory() {
	t.sendReset()
	t.finish(OutOfMemory, byCall, activeAfter("TCP_ABORT_ON_MEMORY"))
}

func (t *turn) closeInFinWait2() {
	switch t.choose(4) {
	case 0:
		t.leaveMini(model.FinWait2)
		t.finish(FinWait2HandedOver, byCall, resets{})
	case 1:
		a := byCall
		a.flags = model.Linger2Neg
		t.sendReset()
		t.finish(Linger2Negative, a, activeAfter("TCP_ABORT_ON_LINGER"))
	case 2:
		t.outOfMemory()
	case 3: // TCP_LINGER2 is long
	}
}

// disconnect is connect(AF_UNSPEC). SO_LINGER may be set to 0, and does not matter.
func (t *turn) disconnect() bool {
	s := t.sock()
	if !s.live() || !s.is(held) {
		return false
	}
	a := byCall
	if t.either() {
		a.flags = model.Linger0
	}
	if s.state == model.SynSent {
		t.finish(Abandoned, a, resets{})
		return true
	}
	t.finish(Disconnected, a, t.disconnectReset())
	return true
}

// disconnectReset is the RST of tcp_disconnect, where it sends one.
func (t *turn) disconnectReset() resets {
	s := t.sock()
	if needsReset(s.state) || s.nxt != s.write {
		t.sendReset()
		return activeAfter("TCP_STATE")
	}
	return resets{}
}
