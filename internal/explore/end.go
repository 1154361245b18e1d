package explore

import "github.com/tcpwatch/tcpwatch/model"

// end is what a host has of one pair of addresses and ports: a listener, and at
// most one of a request, a full socket and a mini-socket.
type end struct {
	sock      socket
	request   request
	mini      mini
	listener  model.Machine // what the model knows of the listener
	listening bool
	lives     number // connections begun: each takes a sequence number of its own
}

// request is a request socket (struct tcp_request_sock): a handshake of a listener
// that waits for the ACK. Its state is NEW_SYN_RECV, and no event tells of it.
type request struct {
	waits    bool
	iss, irs number
}

// mini is what is left of a socket that has closed (struct inet_timewait_sock).
type mini struct {
	state    model.State // TimeWait or FinWait2, 0 for none
	iss, irs number
	nxt, rcv number
}

// newISS is the sequence number of the end's next SYN.
func (e *end) newISS() number {
	e.lives++
	return firstISS + (e.lives-1)*nextISS
}

// opened is an end of one connection, as far as it goes: what is there, and the
// numbers that it knows.
type opened struct {
	state         model.State
	iss, una, nxt number
	knowsIRS      bool
	irs, rcv      number
}

// opened returns what there is of a connection. Where there is nothing, or only a
// listener, its state is CLOSE.
func (e *end) opened() opened {
	switch s, r, m := &e.sock, &e.request, &e.mini; {
	case s.live():
		return opened{s.state, s.iss, s.una, s.nxt, s.is(peerSYN), s.irs, s.rcv}
	case r.waits:
		return opened{model.NewSynRecv, r.iss, r.iss, r.iss + 1, true, r.irs, r.irs + 1}
	case m.state != 0:
		return opened{m.state, m.iss, m.nxt, m.nxt, true, m.irs, m.rcv}
	}
	return opened{state: model.Close}
}

// sameConnection reports whether two ends hold one connection: each knows the
// other's SYN, as far as it knows one.
func sameConnection(a, b opened) bool {
	if a.state == model.Close || b.state == model.Close {
		return false
	}
	return (!a.knowsIRS || a.irs == b.iss) && (!b.knowsIRS || b.irs == a.iss)
}

// believes reports whether an end can expect what it does of the other end of its
// connection: nothing that was not sent, and all that is known to have come (RFC
// 9293 3.3.1).
func (a opened) believes(b opened) bool {
	return !a.knowsIRS || a.rcv == 0 || !a.rcv.before(b.una) && !a.rcv.after(b.nxt)
}
