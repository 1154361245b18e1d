package model

// coexisting holds, for each state of one end of a connection, those that the other
// end can be in at the same instant. internal/explore reaches exactly these.
var coexisting = [NumStates]stateSet{
	SynSent:     in(Close, SynSent, NewSynRecv, SynRecv, FinWait1),
	NewSynRecv:  in(Close, SynSent, Established, FinWait1),
	SynRecv:     in(Close, SynSent, SynRecv, Established, FinWait1),
	Established: in(Close, NewSynRecv, SynRecv, Established, FinWait1),
	FinWait1:    in(Close, SynSent, NewSynRecv, SynRecv, Established, FinWait1, CloseWait, LastAck, Closing),
	FinWait2:    in(Close, CloseWait, LastAck, Closing),
	Closing:     in(Close, FinWait1, FinWait2, Closing, TimeWait),
	TimeWait:    in(Close, LastAck, Closing, TimeWait),
	CloseWait:   in(Close, FinWait1, FinWait2),
	LastAck:     in(Close, FinWait1, FinWait2, TimeWait),
	Close: in(Close, SynSent, NewSynRecv, SynRecv, Established, FinWait1, FinWait2, Closing,
		TimeWait, CloseWait, LastAck),
}

// Coexist reports whether the two ends of one connection can be in states a and b at
// one instant: RFC 9293 3.3.2 for both ends at once, as far as Linux keeps states. It
// is symmetric.
//
// One connection is that of two SYNs: the number of each end's SYN (its ISS) is the
// one that the other has received (its IRS), as far as either has received one. Two
// ends with the same addresses but other numbers are not one connection, and nothing
// is said of them: a half-open one (RFC 9293 3.5.1), or one whose TIME_WAIT was cut
// short.
//
// The state of an end is what is stored for it: of a full socket; NEW_SYN_RECV of a
// request socket; TIME_WAIT or FIN_WAIT2 of a mini-socket; and CLOSE if there is none of
// these, not yet or no more. CLOSE goes with every state, since an end can be aborted
// or its host can crash, and the RST can be lost. LISTEN and BOUND_INACTIVE are no
// ends of a connection, and go with nothing.
//
// An instant is one of both hosts. Linux tells of a transition before it stores the
// state (inet_sk_set_state), and another CPU sees it later still: who compares events
// must allow for the old state of either end.
//
// It holds for two Linux ends between which segments are lost, reordered and doubled,
// however late they come. Who forges segments can bring about any pair.
func Coexist(a, b State) bool { return a < NumStates && coexisting[a].has(b) }
