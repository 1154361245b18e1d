package model

// Numbers are the sequence numbers that one end of a connection begins and ends with:
// each SYN and each FIN takes one (RFC 9293 3.4). They are read from what the socket
// says of itself at its transitions (Linux 5.8 to 7.3), and wherever one can be read
// again it must be the same. The zero value knows none.
type Numbers struct {
	ISS     uint32 // of our SYN: the initial send sequence number
	IRS     uint32 // of the peer's SYN: the initial receive sequence number
	FIN     uint32 // of our FIN
	PeerFIN uint32 // of the peer's FIN
	known   NumberSet
}

// NumberSet says which of the Numbers are known, and what is known of how they count.
type NumberSet uint8

// The bits of a NumberSet.
const (
	HasISS NumberSet = 1 << iota
	HasIRS
	HasFIN
	HasPeerFIN

	countsSYN  // tcp_sock.bytes_acked counts our SYN: it was sent by connect()
	isChild    // it does not: the handshake of the request was not the child's
	fastOpened // the child has data of the SYN: what bytes_received counts of it is not certain
	unreadable // set by hand (TCP_REPAIR), or not told of: nothing is read any more
)

// Has reports whether the numbers of a set are known.
func (n *Numbers) Has(set NumberSet) bool { return n.known&set == set }

// Ignore gives up reading numbers, for all lives of the socket that follow.
func (n *Numbers) Ignore() { *n = Numbers{known: unreadable} }

// forget begins anew, as born says.
func (n *Numbers) forget(born NumberSet) { *n = Numbers{known: n.known&unreadable | born} }

// step reads the numbers of one transition, and returns the rule that one of them
// breaks, or RuleNone. What was not seen from its birth has no numbers: how they count
// depends on it.
func (n *Numbers) step(from, to State, ev *Evidence) Rule {
	switch {
	case from == Close && to == SynSent:
		n.forget(countsSYN)
		return RuleNone
	case to == SynRecv && from != SynSent:
		n.forget(isChild)
		if ev.Has(TFO) {
			n.known |= fastOpened
		}
		return RuleNone
	case from == Close || from == Listen:
		n.forget(0)
		return RuleNone
	}
	if ev.Has(Repair) {
		n.known |= unreadable
	}
	if n.known&unreadable != 0 || n.known&(countsSYN|isChild) == 0 {
		return RuleNone
	}
	if from == SynSent && to == Close {
		return RuleNone // nothing came, and perhaps nothing went
	}
	for _, read := range [...]func(*Numbers, State, State, *Evidence) Rule{
		(*Numbers).readISS, (*Numbers).readIRS, (*Numbers).readFIN, (*Numbers).readPeerFIN,
	} {
		if rule := read(n, from, to, ev); rule != RuleNone {
			return rule
		}
	}
	return RuleNone
}

// readISS: snd_una is bytes_acked ahead of it (tcp_snd_una_update), or, where the
// SYN was not counted, one more.
func (n *Numbers) readISS(_, _ State, ev *Evidence) Rule {
	iss := ev.SndUna - uint32(ev.BytesAcked)
	if n.Has(isChild) {
		iss--
	}
	return n.learn(HasISS, &n.ISS, iss, RuleISSChanged)
}

// readIRS: rcv_nxt is the SYN and bytes_received ahead of it (tcp_rcv_nxt_update).
func (n *Numbers) readIRS(from, to State, ev *Evidence) Rule {
	if from == SynSent && to == SynRecv || n.Has(fastOpened) {
		return RuleNone // not known yet, or not certain
	}
	return n.learn(HasIRS, &n.IRS, ev.RcvNxt-uint32(ev.BytesReceived)-1, RuleIRSChanged)
}

// readFIN: at the transition that queues it, our FIN has not taken its number yet
// (tcp_close_state comes before tcp_send_fin).
func (n *Numbers) readFIN(from, to State, ev *Evidence) Rule {
	if from != to && (to == FinWait1 || to == LastAck) {
		return n.learn(HasFIN, &n.FIN, ev.WriteSeq, RuleFINChanged)
	}
	if !n.Has(HasFIN) {
		return RuleNone
	}
	acked := ev.SndUna == n.FIN+1
	switch {
	case ev.WriteSeq != n.FIN && ev.WriteSeq != n.FIN+1: // it may not have been sent, for want of memory
		return RuleFINChanged
	case from == FinWait1 && to == FinWait2 && !acked && ev.SndUna != n.FIN,
		from == FinWait1 && to == Closing && acked:
		return RuleFINAcked
	}
	return RuleNone
}

// readPeerFIN: rcv_nxt is just behind it, and stays there.
func (n *Numbers) readPeerFIN(from, to State, ev *Evidence) Rule {
	switch {
	case from != to && (to == CloseWait || to == Closing),
		from == FinWait2 && to == Close && ev.Has(Done) && ev.Err == 0:
		return n.learn(HasPeerFIN, &n.PeerFIN, ev.RcvNxt-1, RulePeerFINChanged)
	case n.Has(HasPeerFIN) && ev.RcvNxt != n.PeerFIN+1:
		return RulePeerFINChanged
	}
	return RuleNone
}

// learn notes a number, or compares it with the one that is known.
func (n *Numbers) learn(which NumberSet, number *uint32, read uint32, broken Rule) Rule {
	if !n.Has(which) {
		*number = read
		n.known |= which
		return RuleNone
	}
	if *number != read {
		return broken
	}
	return RuleNone
}

// Mini takes over what a mini-socket says of the two FINs: of an orphan in FIN_WAIT2
// the peer's is still to come.
func (n *Numbers) Mini(substate State, rcvNxt uint32) {
	if substate == TimeWait && n.known&unreadable == 0 && n.Has(HasIRS) && !n.Has(HasPeerFIN) {
		n.PeerFIN = rcvNxt - 1
		n.known |= HasPeerFIN
	}
}
