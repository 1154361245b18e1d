package model

// stateSet is a set of states, as bits.
type stateSet uint16

func in(states ...State) (set stateSet) {
	for _, s := range states {
		set |= 1 << s
	}
	return set
}

func (set stateSet) has(s State) bool { return s < NumStates && set&(1<<s) != 0 }

var (
	handshaking = in(SynSent, SynRecv)
	weClosed    = in(FinWait1, FinWait2, Closing, LastAck) // our FIN is queued
	synced      = in(SynRecv, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck)
	anyState    = in(SynSent) | synced
)

// endings is how a full socket ends: the first row that fits the state it left
// and the evidence wins. Order matters, and follows how sure a sign is: first
// what only one path can leave behind, then errors, then the calls of the
// application, which tcp_disconnect hides by setting sk_err after the event.
//
// Read in Linux 5.8 to 7.1. Names begin with end-; the close reasons of the
// public contract are coarser.
var endings = [...]struct {
	name    string
	from    stateSet
	when    func(*Ending) bool
	reason  CloseReason
	by      Closer
	verdict Verdict
	absence bool // rests on an event that was not seen
	section string
	why     string
}{
	{name: "end-listener", from: in(Listen), when: always,
		reason: ReasonListenEnded, by: ClosedByLocal, verdict: Normal, section: "RFC 9293 3.10.4",
		why: "The socket stopped listening."},

	// In order. SOCK_DONE in FIN_WAIT2 is set by tcp_fin alone, in the same
	// breath as the hand-over.
	{name: "end-time-wait", from: in(FinWait2), when: func(e *Ending) bool { return !e.fatalErr() && e.has(Done) },
		reason: ReasonFin, by: ClosedByLocal, verdict: Normal, section: "RFC 9293 3.6",
		why: "Closed in order, by this end first; TIME_WAIT follows."},
	{name: "end-last-ack", from: in(LastAck), when: func(e *Ending) bool { return !e.fatalErr() && e.acked() },
		reason: ReasonFin, by: ClosedByPeer, verdict: Normal, section: "RFC 9293 3.6",
		why: "Closed in order, by the peer first; it acknowledged our FIN."},
	{name: "end-closing", from: in(Closing), when: func(e *Ending) bool { return !e.fatalErr() && e.acked() },
		reason: ReasonFin, by: ClosedByLocal, verdict: Notable, section: "RFC 9293 3.6, figure 13",
		why: "Closed in order by both ends at once; TIME_WAIT follows."},

	// From outside.
	{name: "end-killed", from: anyState, when: func(e *Ending) bool { return e.err(errCONNABORTED) },
		reason: ReasonKilled, by: ClosedByKernel, verdict: Notable, section: "tcp_abort, Linux 5.8",
		why: "Killed from outside its application: ss -K, a BPF program or a kernel service."},

	// Data, or TCP_LINGER2, after close(). Both can end a socket that has just
	// reached FIN_WAIT2 with no error at all.
	{name: "end-linger2", from: in(FinWait2), when: func(e *Ending) bool {
		return e.reason(reasonOnLinger) || e.orphan() && e.has(Linger2Neg)
	},
		reason: ReasonResetByLocalLinger, by: ClosedByLocal, verdict: Notable, section: "__tcp_close, Linux 5.8",
		why: "The application closed with TCP_LINGER2 below 0: it did not wait for the peer's FIN but sent an RST."},
	{name: "end-data-after-close", from: weClosed | in(CloseWait), when: isDataAfterClose,
		reason: ReasonResetByLocalOther, by: ClosedByLocal, verdict: Abnormal, section: "RFC 9293 3.6.1; tcp_rcv_state_process, Linux 5.8",
		why: "The peer sent data that nobody here could read any more, and was answered with an RST."},

	// The handshake failed.
	{name: "end-refused", from: handshaking, when: func(e *Ending) bool { return e.err(errCONNREFUSED) && (e.ResetReceived || e.LostSince) },
		reason: ReasonRefused, by: ClosedByPeer, verdict: Abnormal, section: "RFC 9293 3.10.7.3",
		why: "The connection was refused: the host answered, and nothing listens on that port."},
	{name: "end-refused-icmp", from: handshaking, when: func(e *Ending) bool { return e.err(errCONNREFUSED) },
		reason: ReasonRefused, by: ClosedByPeer, verdict: Abnormal, section: "RFC 9293 3.9.2.2",
		why: "The connection was refused with an ICMP message, as firewalls do."},
	{name: "end-syn-timeout", from: handshaking, when: func(e *Ending) bool { return e.err(errTIMEDOUT) },
		reason: ReasonTimeoutSyn, by: ClosedByKernel, verdict: Abnormal, section: "RFC 9293 3.8.3",
		why: "Nobody answered the handshake, however often it was sent again."},
	{name: "end-unreachable", from: handshaking, when: (*Ending).icmpErr,
		reason: ReasonUnreachable, by: ClosedByKernel, verdict: Abnormal, section: "RFC 9293 3.9.2.2",
		why: "The network reported during the handshake that the peer cannot be reached."},

	// The peer gave up. tcp_reset sets EPIPE in CLOSE_WAIT, else ECONNRESET.
	{name: "end-mptcp-reset", from: anyState, when: func(e *Ending) bool {
		return e.has(MPTCP) && e.ResetSent && e.ResetSentActive && !e.ResetReceived && !e.timedOut()
	},
		reason: ReasonResetByLocalOther, by: ClosedByKernel, verdict: Abnormal, section: "RFC 8684 3.6",
		why: "The MPTCP layer of this host reset the subflow."},
	{name: "end-reset-after-fin", from: in(CloseWait), when: func(e *Ending) bool { return e.err(errPIPE) },
		reason: ReasonResetByPeer, by: ClosedByPeer, verdict: Abnormal, section: "RFC 9293 3.10.7.4",
		why: "The peer sent an RST after its FIN: it no longer wanted our answer."},
	{name: "end-reset-by-peer", from: anyState, when: func(e *Ending) bool { return e.err(errCONNRESET) },
		reason: ReasonResetByPeer, by: ClosedByPeer, verdict: Abnormal, section: "RFC 9293 3.10.7.4",
		why: "The peer sent an RST."},

	// Nobody answered.
	{name: "end-keepalive-timeout", from: synced, when: isKeepalive,
		reason: ReasonTimeoutKeepalive, by: ClosedByKernel, verdict: Abnormal, section: "RFC 9293 3.8.4",
		why: "The connection was idle and the peer answered no keepalive probe."},
	{name: "end-orphan-timeout", from: weClosed, when: func(e *Ending) bool { return e.timedOut() && e.has(Dead) },
		reason: ReasonTimeoutOrphan, by: ClosedByKernel, verdict: Abnormal, section: "RFC 9293 3.8.3; tcp_orphan_retries, Linux 5.8",
		why: "The application had closed, and the peer never acknowledged the rest of the data and our FIN."},
	{name: "end-zero-window", from: synced, when: func(e *Ending) bool {
		return e.timedOut() && e.Evidence.SndUna == e.Evidence.SndNxt && !e.acked()
	},
		reason: ReasonTimeoutRetransmit, by: ClosedByKernel, verdict: Abnormal, section: "RFC 9293 3.8.6.1",
		why: "The peer's window stayed closed and it stopped answering our probes."},
	{name: "end-retransmit-timeout", from: synced, when: (*Ending).timedOut,
		reason: ReasonTimeoutRetransmit, by: ClosedByKernel, verdict: Abnormal, section: "RFC 9293 3.8.3",
		why: "The peer never acknowledged what we sent, however often it was sent again."},

	// The application, or nobody yet.
	{name: "end-repair", from: anyState, when: func(e *Ending) bool { return e.local() && e.has(Repair) },
		reason: ReasonDisconnected, by: ClosedByLocal, verdict: Notable, section: "__tcp_close, Linux 5.8",
		why: "Closed in TCP_REPAIR mode, with no word to the peer: a checkpoint took the connection elsewhere."},
	{name: "end-listener-closed", from: in(Established, CloseWait), when: (*Ending).ownerless,
		reason: ReasonListenerClosed, by: ClosedByLocal, verdict: Abnormal, section: "inet_csk_listen_stop, Linux 5.8",
		why: "The connection was still in the accept queue when its listener was closed, and was reset."},
	{name: "end-listener-closed-early", from: in(SynRecv), when: func(e *Ending) bool {
		return e.ownerless() && (e.has(TFO) || e.ResetSent && e.ResetSentActive)
	},
		reason: ReasonListenerClosed, by: ClosedByLocal, verdict: Abnormal, section: "inet_csk_listen_stop, Linux 5.8",
		why: "The handshake was still unfinished when the listener was closed, and the connection was reset."},
	{name: "end-child-dropped", from: in(SynRecv), when: func(e *Ending) bool { return e.noErr() && !e.has(HasSocket) && !e.has(Owned) },
		reason: ReasonNeverAccepted, by: ClosedByKernel, verdict: Notable, section: "tcp_v4_syn_recv_sock, inet_ehash_nolisten, Linux 5.8",
		why: "The newborn socket was dropped before it reached the accept queue: another one had taken its place, or it could not be set up."},
	{name: "end-unread-data", from: synced, when: isUnread,
		reason: ReasonResetByLocalUnread, by: ClosedByLocal, verdict: Abnormal, section: "RFC 9293 3.6.1",
		why: "The application closed with received data unread; the data was thrown away and the peer was sent an RST."},
	{name: "end-linger-zero", from: synced, when: func(e *Ending) bool { return e.closing() && e.has(Linger0) },
		reason: ReasonResetByLocalLinger, by: ClosedByLocal, verdict: Notable, section: "RFC 9293 3.10.5",
		why: "The application aborted: it closed with SO_LINGER set to 0."},
	{name: "end-connect-failed", from: in(SynSent), when: isConnectFailed,
		reason: ReasonHandshakeAbandoned, by: ClosedByKernel, verdict: Abnormal, section: "RFC 9293 3.10.1; tcp_v4_connect, Linux 5.8",
		why: "connect() failed before a SYN was sent: no free local port, no route or no key."},
	{name: "end-handshake-abandoned", from: in(SynSent), when: func(e *Ending) bool { return e.noErr() && e.has(Owned) && !e.has(MPTCP) },
		reason: ReasonHandshakeAbandoned, by: ClosedByLocal, verdict: Notable, section: "RFC 9293 3.10.4",
		why: "The application closed, shut down or disconnected before the peer had answered its SYN."},
	{name: "end-half-open-abandoned", from: in(SynRecv), when: (*Ending).local,
		reason: ReasonHandshakeAbandoned, by: ClosedByLocal, verdict: Notable, section: "RFC 9293 3.10.5",
		why: "The application disconnected before the peer had acknowledged our SYN."},
	{name: "end-disconnected", from: in(Established, CloseWait), when: func(e *Ending) bool { return e.local() && !e.closing() && !e.has(MPTCP) },
		reason: ReasonDisconnected, by: ClosedByLocal, verdict: Notable, section: "RFC 9293 3.10.5",
		why: "The application called connect() with AF_UNSPEC to end the connection."},
	{name: "end-disconnected-after-shutdown", from: weClosed, when: func(e *Ending) bool { return e.local() && !e.has(MPTCP) },
		reason: ReasonDisconnected, by: ClosedByLocal, verdict: Notable, section: "RFC 9293 3.10.5",
		why: "The application called connect() with AF_UNSPEC after shutdown(), before the connection had ended."},

	// Orphans: the application has closed, the kernel finishes alone.
	{name: "end-fin-wait2-timeout", from: in(FinWait2), when: func(e *Ending) bool {
		return e.orphan() && !e.has(Owned) && e.ResetSent && e.ResetSentActive && e.ResetBefore
	},
		reason: ReasonTimeoutOrphan, by: ClosedByKernel, verdict: Abnormal, section: "tcp_keepalive_timer, Linux 5.8",
		why: "The peer never sent its FIN within TCP_LINGER2 of our close, and was sent an RST."},
	{name: "end-fin-wait2-handover", from: in(FinWait2), when: func(e *Ending) bool { return e.orphan() && !e.resetAtEnd() }, absence: true,
		reason: ReasonFin, by: ClosedByLocal, verdict: Normal, section: "tcp_time_wait, Linux 5.8",
		why: "Closed in order by this end; a mini-socket waits for the peer's FIN."},
	{name: "end-orphan-reset", from: weClosed, when: func(e *Ending) bool { return e.orphan() && e.resetAtEnd() },
		reason: ReasonResetByLocalOther, by: ClosedByKernel, verdict: Abnormal, section: "tcp_out_of_resources, Linux 5.8",
		why: "The application had closed, and the kernel reset the rest: too many orphans or too little memory."},
	{name: "end-orphan-dropped", from: in(FinWait1, Closing, LastAck), when: (*Ending).orphan,
		reason: ReasonTimeoutOrphan, by: ClosedByKernel, verdict: Notable, section: "tcp_out_of_resources, Linux 5.8",
		why: "The application had closed, and the kernel dropped the rest without a word: too many orphans, too little memory, or its network namespace is gone."},

	{name: "end-reset-by-local", from: anyState, when: func(e *Ending) bool { return e.ResetSent },
		reason: ReasonResetByLocalOther, by: ClosedByLocal, verdict: Abnormal, section: "RFC 9293 3.10.5",
		why: "This host sent an RST; why it did is not known."},
}

// isDataAfterClose: the kernel resets itself (tcp_reset with no RST received),
// or just ends if the same segment acknowledged our FIN, and then answers the
// segment with an RST.
func isDataAfterClose(e *Ending) bool {
	if e.reason(reasonOnData) {
		return true
	}
	if !e.resetInReply() {
		return false
	}
	return e.err(errCONNRESET) || e.err(errPIPE) || e.From == FinWait2 && e.orphan()
}

// isKeepalive: all that was sent is acknowledged, and probes are not answered.
func isKeepalive(e *Ending) bool {
	if e.reason(reasonKeepalive) {
		return true
	}
	idle := e.acked() && e.Evidence.SndUna == e.Evidence.SndNxt
	return e.timedOut() && e.has(KeepOpen) && idle && e.Evidence.Probes > 0
}

// isUnread: close() looks for unread data before it looks at SO_LINGER.
func isUnread(e *Ending) bool {
	return e.reason(reasonOnClose) || e.closing() && e.unread() && e.mayBe(reasonOnClose)
}

// isConnectFailed: tcp_v4_connect undoes SYN_SENT itself, and shuts nothing
// down.
func isConnectFailed(e *Ending) bool {
	return e.local() && e.Evidence.Shutdown == 0 && e.Evidence.SndNxt == e.Evidence.SndUna
}

// EndingRow is one row of the table of endings, for documents.
type EndingRow struct {
	Rule    Rule
	From    []State // in which it can be
	Reason  CloseReason
	By      Closer
	Verdict Verdict
}

// Endings returns the table of endings, in the order in which Judge tries them.
func Endings() []EndingRow {
	all := make([]EndingRow, len(endings))
	for i := range endings {
		row := &endings[i]
		all[i] = EndingRow{Rule: endingRule(i), Reason: row.reason, By: row.by, Verdict: row.verdict}
		for _, s := range States() {
			if row.from.has(s) {
				all[i].From = append(all[i].From, s)
			}
		}
	}
	return all
}
