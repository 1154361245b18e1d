package model

// Pairing is what the states of the two ends of one tuple say when they last: more
// than either end says by itself (RFC 9293 3.5.1, 3.6).
type Pairing uint8

// The pairings. One end is that which waits, the other that which is waited for.
const (
	PairNothing Pairing = iota // nothing but what each end says
	PairCloseAwaited
	PairSYNIntoOld
	PairNotAccepted
	PairHalfOpen
	PairStaleSYN
	PairStates
	numPairings
)

// held are the states of a connection that is through the handshake and that a process
// can hold for as long as it likes.
var held = in(Established, FinWait2, CloseWait)

// pairings judges them. Gone is the end of a tuple of which there is no socket. The
// order is that of Pairing; the first row that fits counts.
var pairings = [numPairings]struct {
	rule, section, why string
	linux              string // what Linux does, for Explain; ends in a newline
	one, other         stateSet
	gone               bool  // the other end is, in place of being in a state
	patience           int64 // ns for which it is nothing to speak of
	atOnce             bool  // it is told of before that, too, as normal
	verdict            Verdict
}{
	PairNothing: {verdict: Normal},
	PairCloseAwaited: {rule: "pair-close-awaited", section: "RFC 9293 3.6", one: in(FinWait2), other: in(CloseWait), patience: 60e9, atOnce: true, verdict: Notable,
		why:   "This end has closed, and the other end, on this host too, has not: it is in CLOSE_WAIT.",
		linux: "No timer ends CLOSE_WAIT, nor FIN_WAIT2 as long as a process holds the socket. The process at the other end has to close its descriptor.\n"},
	PairSYNIntoOld: {rule: "pair-syn-into-old", section: "RFC 9293 3.5.1, 3.10.7.4", one: in(SynSent), other: held | in(LastAck), patience: 1e9, verdict: Notable,
		why:   "The SYN meets a socket of an older connection between the same ports, which the other end, on this host too, still has.",
		linux: "The old socket answers with a challenge ACK (RFC 5961), the SYN's sender with an RST, and the next SYN can succeed; where the RST is lost or dropped, connect() hangs until it gives up.\n"},
	PairNotAccepted: {rule: "pair-not-accepted", section: "tcp_v4_syn_recv_sock, Linux 5.8", one: in(Established), other: in(NewSynRecv), patience: 1e9, verdict: Notable,
		why:   "This end is established, and the other end, on this host too, still waits: its listener had no room in the accept queue, or waits for data (TCP_DEFER_ACCEPT).",
		linux: "The listener drops the last ACK of a handshake when its accept queue is full (ListenOverflows), and sends its SYN-ACK again. Data that the client sends meanwhile is lost and sent again. With net.ipv4.tcp_abort_on_overflow=1 it answers by an RST.\n"},
	PairHalfOpen: {rule: "pair-half-open", section: "RFC 9293 3.5.1", one: in(Established, FinWait2), gone: true, patience: 5e9, verdict: Notable,
		why:   "Half-open: this end waits for the other, which was on this host and is gone without a word that arrived.",
		linux: "Nothing tells this end before it sends something, or keepalive (SO_KEEPALIVE) does; then an RST comes back. It happens when an end is destroyed and its FIN or RST is lost, as by a firewall, or when a checkpoint took it elsewhere.\n"},
	PairStaleSYN: {rule: "pair-stale-syn", section: "RFC 9293 3.5, figure 8", one: in(NewSynRecv), gone: true, patience: 3e9, verdict: Notable,
		why:   "The SYN was answered, and its sender, which was on this host, is gone: nobody will complete the handshake.",
		linux: "The SYN-ACK would be answered by an RST, which has been lost or dropped; the request goes after net.ipv4.tcp_synack_retries.\n"},
	PairStates: {rule: "pair-states", section: "RFC 9293 3.3.2", patience: 5e9, verdict: Abnormal,
		why:   "The two ends of one connection, both on this host, are in states that they cannot be in at once.",
		linux: "Two ends between which segments are only lost, reordered or doubled do not get there, as internal/explore shows: somebody forges segments, or set a state by hand, or the kernel is wrong.\n"},
}

// Pair judges the states of two ends of a tuple. Gone says that there is no socket at
// the other end, and other is nothing then. One connection says that their SYNs'
// numbers prove that they are ends of the same (see Coexist). For how long both have
// been so, as is known at least, is lasting, in ns.
//
// No verdict is more than Notable unless the addresses meet within one network
// namespace (direct).
func Pair(one, other State, gone, connection, direct bool, lasting int64) (Pairing, Judgement) {
	p := PairNothing
	for i := PairCloseAwaited; i < PairStates; i++ {
		if row := &pairings[i]; row.one.has(one) && row.gone == gone && (gone || row.other.has(other)) {
			p = i
			break
		}
	}
	if p == PairNothing && !gone && connection && !Coexist(one, other) {
		p = PairStates
	}
	row := &pairings[p]
	verdict := row.verdict
	switch {
	case p == PairNothing, lasting < row.patience && !row.atOnce:
		return PairNothing, Judgement{Verdict: Normal}
	case lasting < row.patience:
		verdict = Normal
	case !direct:
		verdict = min(verdict, Notable)
	}
	return p, Judgement{verdict, pairRule(p)}
}

// String returns the name of its rule, "" for PairNothing.
func (p Pairing) String() string {
	if p == PairNothing || p >= numPairings {
		return ""
	}
	return pairings[p].rule
}
