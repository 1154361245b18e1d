package explore

import "github.com/tcpwatch/tcpwatch/model"

// inSynSent: RFC 9293 3.10.7.3, tcp_rcv_synsent_state_process.
func (t *turn) inSynSent(g segment) {
	s := t.sock()
	switch {
	case g.has(ack) && (!g.ack.after(s.una) || g.ack.after(s.nxt)):
		if !g.has(rst) {
			s.facts |= answered
		}
		t.answerReset(g)
	case g.has(ack) && g.has(rst):
		t.finish(ResetReceived, acting{err: errRefused, resetReceived: true}, resets{})
	case g.has(rst) || !g.has(syn):
		// dropped
	case g.has(ack):
		s.meet(g)
		s.expect(g)
		s.acknowledge(g.ack)
		t.store(model.Established, acting{})
		t.sendACK()
	default: // the SYNs crossed: RFC 9293 3.5, figure 7
		s.meet(g)
		s.facts |= crossed
		t.store(model.SynRecv, acting{})
		s.expect(g) // only now: rcv_nxt is not yet known at the event
		t.sendSYNACK()
	}
}

// meet learns the number of the peer's SYN.
func (s *socket) meet(g segment) {
	s.facts |= peerSYN
	s.irs = g.seq
}

// expect begins to count what follows the peer's SYN.
func (s *socket) expect(g segment) { s.rcv, s.copied = g.seq+1, g.seq+1 }

// acknowledge takes an ACK that is new (tcp_ack).
func (s *socket) acknowledge(n number) {
	s.acked += n - s.una
	s.una = n
}

// sendSYNACK answers a SYN from a full socket.
func (t *turn) sendSYNACK() {
	s := t.sock()
	t.send(segment{control: syn | ack, seq: s.iss, ack: s.rcv})
}
