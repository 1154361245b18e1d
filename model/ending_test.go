package model

import "testing"

// Sequence numbers that mean something: everything acknowledged, our FIN not
// acknowledged, unread data.
func acked(ev Evidence) Evidence {
	ev.SndUna, ev.SndNxt, ev.WriteSeq = 2000, 2000, 2000
	ev.RcvNxt, ev.CopiedSeq = 5000, 5000
	return ev
}

func unacked(ev Evidence) Evidence {
	ev = acked(ev)
	ev.SndNxt, ev.WriteSeq = 2001, 2001
	return ev
}

func unsent(ev Evidence) Evidence {
	ev = acked(ev)
	ev.WriteSeq = 2600
	return ev
}

func unread(ev Evidence) Evidence {
	ev = acked(ev)
	ev.CopiedSeq -= 10
	return ev
}

const (
	syscall = Owned | HasSocket // the application acts
	open    = HasSocket         // softirq or a timer acts
	orphan  = Dead
)

var endingTests = []struct {
	name   string
	ending Ending
	reason CloseReason
	by     Closer
	want   Verdict
	rule   string
}{
	// RFC 9293 3.6: in order.
	{"TIME_WAIT entered", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan | Done, Shutdown: 3}), FirstFIN: ClosedByLocal, Established: true},
		ReasonFin, ClosedByLocal, Normal, "end-time-wait"},
	{"TIME_WAIT entered after shutdown, while a process reads", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: syscall | Done, Shutdown: 3})},
		ReasonFin, ClosedByLocal, Normal, "end-time-wait"},
	{"TIME_WAIT entered with an old ICMP error left over", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: open | Done, Shutdown: 3, Err: 113})},
		ReasonFin, ClosedByLocal, Normal, "end-time-wait"},
	{"FIN_WAIT2 mini-socket", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan | Owned, Shutdown: 3}), FirstFIN: ClosedByLocal},
		ReasonFin, ClosedByLocal, Normal, "end-fin-wait2-handover"},
	{"FIN_WAIT2 mini-socket, a moment after an old SYN-ACK was answered with an RST", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan | Owned, Shutdown: 3}),
		FirstFIN: ClosedByLocal, ResetSent: true, ResetBefore: true, HasResetReason: true, ResetReason: "TCP_INVALID_ACK_SEQUENCE"},
		ReasonFin, ClosedByLocal, Normal, "end-fin-wait2-handover"},
	{"last ACK", Ending{From: LastAck, Evidence: acked(Evidence{Flags: orphan | Done, Shutdown: 3}), FirstFIN: ClosedByPeer},
		ReasonFin, ClosedByPeer, Normal, "end-last-ack"},
	{"last ACK in the backlog of close() on loopback", Ending{From: LastAck, Evidence: acked(Evidence{Flags: orphan | Done | Owned, Shutdown: 3})},
		ReasonFin, ClosedByPeer, Normal, "end-last-ack"},
	{"last ACK of an application that read nothing", Ending{From: LastAck, Evidence: unread(Evidence{Flags: open | Done, Shutdown: 3})},
		ReasonFin, ClosedByPeer, Normal, "end-last-ack"},
	{"simultaneous close", Ending{From: Closing, Evidence: acked(Evidence{Flags: orphan | Done, Shutdown: 3}), FirstFIN: ClosedByLocal, SimultaneousClose: true},
		ReasonFin, ClosedByLocal, Notable, "end-fin-simultaneous"},
	{"simultaneous close, only the state says so", Ending{From: Closing, Evidence: acked(Evidence{Flags: orphan | Done, Shutdown: 3})},
		ReasonFin, ClosedByLocal, Notable, "end-closing"},
	{"in order after a SYN was sent again", Ending{From: LastAck, Evidence: acked(Evidence{Flags: orphan | Done}), SynRetransmits: 1},
		ReasonFin, ClosedByPeer, Notable, "end-fin-retransmitted"},
	{"in order after a FIN was sent again", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan | Done}), FinRetransmits: 2},
		ReasonFin, ClosedByLocal, Notable, "end-fin-retransmitted"},
	{"in order after data was sent again", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan | Done}), DataRetransmits: 7},
		ReasonFin, ClosedByLocal, Normal, "end-time-wait"},

	// RFC 9293 3.10.7: resets received.
	{"RST in ESTABLISHED", Ending{From: Established, Evidence: acked(Evidence{Flags: open, Err: 104}), ResetReceived: true},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-by-peer"},
	{"RST in SYN_RECV (TFO)", Ending{From: SynRecv, Evidence: acked(Evidence{Flags: TFO, Err: 104}), ResetReceived: true},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-by-peer"},
	{"RST in CLOSE_WAIT", Ending{From: CloseWait, Evidence: acked(Evidence{Flags: open | Done, Err: 32}), ResetReceived: true, FirstFIN: ClosedByPeer},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-after-fin"},
	{"RST in FIN_WAIT2", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: open, Err: 104, Shutdown: 2}), ResetReceived: true},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-by-peer"},
	{"RST in LAST_ACK", Ending{From: LastAck, Evidence: unacked(Evidence{Flags: orphan | Done, Err: 104}), ResetReceived: true},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-by-peer"},
	{"RST, after we had sent one for something else", Ending{From: FinWait1, Evidence: unacked(Evidence{Flags: open, Err: 104}), ResetReceived: true, ResetSent: true, ResetSentActive: true},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-by-peer"},
	{"RST while queued, before accept", Ending{From: Established, Evidence: acked(Evidence{Err: 104}), ResetReceived: true},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-by-peer"},

	// The kernel resets itself: no RST was received.
	{"data after close", Ending{From: FinWait1, Evidence: unacked(Evidence{Flags: orphan, Err: 104, Shutdown: 3}), ResetReceived: true, ResetSent: true},
		ReasonResetByLocalOther, ClosedByLocal, Abnormal, "end-data-after-close"},
	{"data after close, reason named", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: open, Err: 104, Shutdown: 3}), ResetReceived: true,
		ResetSent: true, HasResetReason: true, ResetReason: "TCP_ABORT_ON_DATA"},
		ReasonResetByLocalOther, ClosedByLocal, Abnormal, "end-data-after-close"},
	{"data after close that acknowledged our FIN", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan, Shutdown: 3}), ResetSent: true},
		ReasonResetByLocalOther, ClosedByLocal, Abnormal, "end-data-after-close"},
	{"data after the peer's FIN", Ending{From: CloseWait, Evidence: acked(Evidence{Flags: open | Done, Err: 32, Shutdown: 3}), ResetReceived: true, ResetSent: true},
		ReasonResetByLocalOther, ClosedByLocal, Abnormal, "end-data-after-close"},
	{"linger2 below 0, peer's ACK arrives", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan | Linger2Neg, Shutdown: 3}), ResetSent: true},
		ReasonResetByLocalLinger, ClosedByLocal, Notable, "end-linger2"},
	{"linger2 below 0, in close()", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan | Owned | Linger2Neg, Shutdown: 3}),
		ResetSent: true, ResetSentActive: true, HasResetReason: true, ResetReason: "TCP_ABORT_ON_LINGER"},
		ReasonResetByLocalLinger, ClosedByLocal, Notable, "end-linger2"},

	// Aborts by the application.
	{"close() with unread data", Ending{From: Established, Evidence: unread(Evidence{Flags: syscall, Shutdown: 3}), ResetSent: true, ResetSentActive: true},
		ReasonResetByLocalUnread, ClosedByLocal, Abnormal, "end-unread-data"},
	{"close() with unread data and SO_LINGER 0", Ending{From: CloseWait, Evidence: unread(Evidence{Flags: syscall | Linger0 | Done, Shutdown: 3})},
		ReasonResetByLocalUnread, ClosedByLocal, Abnormal, "end-unread-data"},
	{"close() with unread data, reason named", Ending{From: Established, Evidence: unread(Evidence{Flags: syscall, Shutdown: 3}),
		ResetSent: true, ResetSentActive: true, HasResetReason: true, ResetReason: "TCP_ABORT_ON_CLOSE"},
		ReasonResetByLocalUnread, ClosedByLocal, Abnormal, "end-unread-data"},
	{"close() with unread data, reason not named yet (6.10)", Ending{From: Established, Evidence: unread(Evidence{Flags: syscall, Shutdown: 3}),
		ResetSent: true, ResetSentActive: true, HasResetReason: true, ResetReason: "NOT_SPECIFIED"},
		ReasonResetByLocalUnread, ClosedByLocal, Abnormal, "end-unread-data"},
	{"close() with SO_LINGER 0", Ending{From: Established, Evidence: acked(Evidence{Flags: syscall | Linger0, Shutdown: 3}),
		ResetSent: true, ResetSentActive: true, HasResetReason: true, ResetReason: "TCP_STATE"},
		ReasonResetByLocalLinger, ClosedByLocal, Notable, "end-linger-zero"},
	{"close() with SO_LINGER 0, only the peer's FIN unread", Ending{From: CloseWait, Evidence: func() Evidence {
		ev := acked(Evidence{Flags: syscall | Linger0 | Done, Shutdown: 3})
		ev.CopiedSeq--
		return ev
	}()}, ReasonResetByLocalLinger, ClosedByLocal, Notable, "end-linger-zero"},
	{"close() with SO_LINGER 0 in LAST_ACK", Ending{From: LastAck, Evidence: unacked(Evidence{Flags: syscall | Linger0 | Done, Shutdown: 3})},
		ReasonResetByLocalLinger, ClosedByLocal, Notable, "end-linger-zero"},
	{"connect(AF_UNSPEC)", Ending{From: Established, Evidence: acked(Evidence{Flags: syscall}), ResetSent: true, ResetSentActive: true},
		ReasonDisconnected, ClosedByLocal, Notable, "end-disconnected"},
	{"connect(AF_UNSPEC) with SO_LINGER 0 set", Ending{From: CloseWait, Evidence: unread(Evidence{Flags: syscall | Linger0, Shutdown: 1})},
		ReasonDisconnected, ClosedByLocal, Notable, "end-disconnected"},
	{"connect(AF_UNSPEC) after shutdown", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: syscall, Shutdown: 2}), ResetSent: true, ResetSentActive: true},
		ReasonDisconnected, ClosedByLocal, Notable, "end-disconnected-after-shutdown"},
	{"connect(AF_UNSPEC) in LAST_ACK", Ending{From: LastAck, Evidence: unacked(Evidence{Flags: syscall | Done, Shutdown: 3})},
		ReasonDisconnected, ClosedByLocal, Notable, "end-disconnected-after-shutdown"},
	{"close() in TCP_REPAIR", Ending{From: Established, Evidence: unread(Evidence{Flags: syscall | Repair, Shutdown: 3})},
		ReasonDisconnected, ClosedByLocal, Notable, "end-repair"},

	// The handshake.
	{"close() in SYN_SENT", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: syscall, Shutdown: 3})},
		ReasonHandshakeAbandoned, ClosedByLocal, Notable, "end-handshake-abandoned"},
	{"shutdown() in SYN_SENT", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: syscall})},
		ReasonHandshakeAbandoned, ClosedByLocal, Notable, "end-handshake-abandoned"},
	{"disconnect in SYN_RECV", Ending{From: SynRecv, Evidence: unacked(Evidence{Flags: syscall})},
		ReasonHandshakeAbandoned, ClosedByLocal, Notable, "end-half-open-abandoned"},
	{"connect() without a free port", Ending{From: SynSent, Evidence: Evidence{Flags: syscall}},
		ReasonHandshakeAbandoned, ClosedByKernel, Abnormal, "end-connect-failed"},
	{"refused by RST", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: open, Err: 111}), ResetReceived: true},
		ReasonRefused, ClosedByPeer, Abnormal, "end-refused"},
	{"refused by RST in the backlog of connect()", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: syscall, Err: 111}), ResetReceived: true},
		ReasonRefused, ClosedByPeer, Abnormal, "end-refused"},
	{"refused by ICMP", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: open, Err: 111})},
		ReasonRefused, ClosedByPeer, Abnormal, "end-refused-icmp"},
	{"no route to host", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: open, Err: 113})},
		ReasonUnreachable, ClosedByKernel, Abnormal, "end-unreachable"},
	{"network unreachable, after retransmissions", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: open, Err: 101, Retransmits: 3})},
		ReasonUnreachable, ClosedByKernel, Abnormal, "end-unreachable"},
	{"no answer to SYN", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: open, Err: 110, Retransmits: 6}), SynRetransmits: 6},
		ReasonTimeoutSyn, ClosedByKernel, Abnormal, "end-syn-timeout"},
	{"no answer to SYN-ACK (TFO)", Ending{From: SynRecv, Evidence: unacked(Evidence{Flags: TFO, Err: 110, Retransmits: 6}), SynAckRetransmits: 6},
		ReasonTimeoutSyn, ClosedByKernel, Abnormal, "end-syn-timeout"},

	// RFC 9293 3.8: nobody answers.
	{"data never acknowledged", Ending{From: Established, Evidence: unacked(Evidence{Flags: open, Err: 110, Retransmits: 15}), DataRetransmits: 15},
		ReasonTimeoutRetransmit, ClosedByKernel, Abnormal, "end-retransmit-timeout"},
	{"data never acknowledged, ICMP on the way", Ending{From: Established, Evidence: unacked(Evidence{Flags: open, Err: 113, ErrSoft: 113, Retransmits: 9})},
		ReasonTimeoutRetransmit, ClosedByKernel, Abnormal, "end-retransmit-timeout"},
	{"data never acknowledged, with keepalive on", Ending{From: CloseWait, Evidence: unacked(Evidence{Flags: open | KeepOpen, Err: 110, Retransmits: 15})},
		ReasonTimeoutRetransmit, ClosedByKernel, Abnormal, "end-retransmit-timeout"},
	{"zero window", Ending{From: Established, Evidence: unsent(Evidence{Flags: open, Err: 110, Probes: 15})},
		ReasonTimeoutRetransmit, ClosedByKernel, Abnormal, "end-zero-window"},
	{"keepalive", Ending{From: Established, Evidence: acked(Evidence{Flags: open | KeepOpen, Err: 110, Probes: 9}), ResetSent: true, ResetSentActive: true, ResetBefore: true},
		ReasonTimeoutKeepalive, ClosedByKernel, Abnormal, "end-keepalive-timeout"},
	{"keepalive in FIN_WAIT2", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: open | KeepOpen, Err: 110, Probes: 9, Shutdown: 2})},
		ReasonTimeoutKeepalive, ClosedByKernel, Abnormal, "end-keepalive-timeout"},
	{"keepalive, reason named", Ending{From: CloseWait, Evidence: acked(Evidence{Flags: open | KeepOpen, Err: 113, Probes: 9}),
		ResetSent: true, ResetSentActive: true, ResetBefore: true, HasResetReason: true, ResetReason: "TCP_KEEPALIVE_TIMEOUT"},
		ReasonTimeoutKeepalive, ClosedByKernel, Abnormal, "end-keepalive-timeout"},
	{"orphan in FIN_WAIT1", Ending{From: FinWait1, Evidence: unacked(Evidence{Flags: orphan, Err: 110, Retransmits: 8, Shutdown: 3})},
		ReasonTimeoutOrphan, ClosedByKernel, Abnormal, "end-orphan-timeout"},
	{"orphan in LAST_ACK", Ending{From: LastAck, Evidence: unacked(Evidence{Flags: orphan | Done, Err: 110, Retransmits: 8, Shutdown: 3})},
		ReasonTimeoutOrphan, ClosedByKernel, Abnormal, "end-orphan-timeout"},
	{"FIN never acknowledged, still held after shutdown", Ending{From: FinWait1, Evidence: unacked(Evidence{Flags: open, Err: 110, Retransmits: 15, Shutdown: 2})},
		ReasonTimeoutRetransmit, ClosedByKernel, Abnormal, "end-retransmit-timeout"},
	{"FIN_WAIT2 with a long TCP_LINGER2", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan, Shutdown: 3}), ResetSent: true, ResetSentActive: true, ResetBefore: true},
		ReasonTimeoutOrphan, ClosedByKernel, Abnormal, "end-fin-wait2-timeout"},
	{"too many orphans, in close()", Ending{From: FinWait1, Evidence: unacked(Evidence{Flags: orphan | Owned, Shutdown: 3}), ResetSent: true, ResetSentActive: true},
		ReasonResetByLocalOther, ClosedByKernel, Abnormal, "end-orphan-reset"},
	{"too many orphans, in a timer", Ending{From: LastAck, Evidence: unacked(Evidence{Flags: orphan, Shutdown: 3}), ResetSent: true, ResetSentActive: true, ResetBefore: true},
		ReasonResetByLocalOther, ClosedByKernel, Abnormal, "end-orphan-reset"},
	{"orphan dropped with its namespace", Ending{From: FinWait1, Evidence: unacked(Evidence{Flags: orphan, Shutdown: 3})},
		ReasonTimeoutOrphan, ClosedByKernel, Notable, "end-orphan-dropped"},

	// Children of a listener.
	{"queued child dropped", Ending{From: Established, Evidence: acked(Evidence{}), ResetSent: true, ResetSentActive: true},
		ReasonListenerClosed, ClosedByLocal, Abnormal, "end-listener-closed"},
	{"queued child dropped, the client had closed", Ending{From: CloseWait, Evidence: unread(Evidence{Flags: Done, Shutdown: 1}), ResetSent: true, ResetSentActive: true},
		ReasonListenerClosed, ClosedByLocal, Abnormal, "end-listener-closed"},
	{"queued TFO child dropped", Ending{From: SynRecv, Evidence: unacked(Evidence{Flags: TFO}), ResetSent: true, ResetSentActive: true},
		ReasonListenerClosed, ClosedByLocal, Abnormal, "end-listener-closed-early"},
	{"child could not be made", Ending{From: SynRecv, Evidence: Evidence{Flags: orphan}},
		ReasonNeverAccepted, ClosedByKernel, Notable, "end-child-dropped"},
	{"child lost a race with its twin", Ending{From: SynRecv, Evidence: Evidence{}},
		ReasonNeverAccepted, ClosedByKernel, Notable, "end-child-dropped"},
	{"listener", Ending{From: Listen, Evidence: Evidence{Flags: syscall, Shutdown: 3}, Role: RoleListener},
		ReasonListenEnded, ClosedByLocal, Normal, "end-listener"},
	{"listener met mid-life", Ending{From: Listen, MidLife: true},
		ReasonListenEnded, ClosedByLocal, Normal, "end-listener"},

	// From outside.
	{"ss -K", Ending{From: Established, Evidence: acked(Evidence{Flags: syscall, Err: 103}), ResetSent: true, ResetSentActive: true, ResetBefore: true},
		ReasonKilled, ClosedByKernel, Notable, "end-killed"},
	{"ss -K in SYN_SENT", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: syscall, Err: 103})},
		ReasonKilled, ClosedByKernel, Notable, "end-killed"},
	{"MPTCP fast close", Ending{From: Established, Evidence: acked(Evidence{Flags: MPTCP}), ResetSent: true, ResetSentActive: true},
		ReasonResetByLocalOther, ClosedByKernel, Abnormal, "end-mptcp-reset"},
	{"MPTCP subflow reset by the peer", Ending{From: Established, Evidence: acked(Evidence{Flags: MPTCP, Err: 104}), ResetReceived: true},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-by-peer"},
	{"a reset nobody explains", Ending{From: Established, Evidence: acked(Evidence{Flags: syscall, Shutdown: 3}), ResetSent: true, ResetSentActive: true},
		ReasonResetByLocalOther, ClosedByLocal, Abnormal, "end-reset-by-local"},
	{"nothing is known", Ending{From: Established, Evidence: acked(Evidence{Flags: syscall, Shutdown: 3})},
		ReasonUnknown, ClosedByUnknown, Unjudged, "end-unknown"},
	{"not an end", Ending{From: Close}, ReasonUnknown, ClosedByUnknown, Unjudged, "end-unknown"},
	{"not a state", Ending{From: 200}, ReasonUnknown, ClosedByUnknown, Unjudged, "end-unknown"},

	// What was not seen is not judged; the reason is still stated.
	{"met mid-life, in order", Ending{From: LastAck, Evidence: acked(Evidence{Flags: orphan | Done}), MidLife: true},
		ReasonFin, ClosedByPeer, Unjudged, "began-before"},
	{"met mid-life, reset", Ending{From: Established, Evidence: acked(Evidence{Flags: open, Err: 104}), ResetReceived: true, MidLife: true},
		ReasonResetByPeer, ClosedByPeer, Abnormal, "end-reset-by-peer"},
	{"a gap, in order", Ending{From: LastAck, Evidence: acked(Evidence{Flags: orphan | Done}), Gap: true, MidLife: true},
		ReasonFin, ClosedByPeer, Unjudged, "events-lost"},
	{"a gap, timeout", Ending{From: Established, Evidence: unacked(Evidence{Flags: open, Err: 110, Retransmits: 15}), Gap: true},
		ReasonTimeoutRetransmit, ClosedByKernel, Abnormal, "end-retransmit-timeout"},
	{"loss elsewhere, in order", Ending{From: LastAck, Evidence: acked(Evidence{Flags: orphan | Done}), LostSince: true},
		ReasonFin, ClosedByPeer, Normal, "end-last-ack"},
	{"loss: the RST after FIN_WAIT2 may be what is missing", Ending{From: FinWait2, Evidence: acked(Evidence{Flags: orphan, Shutdown: 3}), LostSince: true},
		ReasonFin, ClosedByLocal, Unjudged, "events-lost"},
	{"loss: the RST to a SYN may be what is missing", Ending{From: SynSent, Evidence: unacked(Evidence{Flags: open, Err: 111}), LostSince: true},
		ReasonRefused, ClosedByPeer, Abnormal, "end-refused"},
	{"loss, nothing is known", Ending{From: Established, LostSince: true, Evidence: acked(Evidence{Flags: syscall, Shutdown: 3})},
		ReasonUnknown, ClosedByUnknown, Unjudged, "events-lost"},
}

func TestJudge(t *testing.T) {
	for _, test := range endingTests {
		t.Run(test.name, func(t *testing.T) {
			c := test.ending.Judge()
			if c.Reason != test.reason || c.By != test.by || c.Verdict != test.want || c.Rule.String() != test.rule {
				t.Errorf("want %s by %q, %s, %s\ngot  %s by %q, %s, %s", test.reason, test.by, test.want, test.rule, c.Reason, c.By, c.Verdict, c.Rule)
			}
			if c.Why == "" || c.Why != c.Rule.Why() {
				t.Errorf("why: %q", c.Why)
			}
		})
	}
}

func TestEveryEndingHasACase(t *testing.T) {
	reasons, tested := make(map[CloseReason]bool), make(map[string]bool)
	for _, test := range endingTests {
		reasons[test.reason] = true
		tested[test.rule] = true
	}
	for _, r := range CloseReasons() {
		if !reasons[r] {
			t.Errorf("close reason %s has no case", r)
		}
	}
	for _, row := range endings {
		if !tested[row.name] {
			t.Errorf("ending %s has no case", row.name)
		}
		if row.why == "" || row.section == "" || row.from == 0 || row.reason == ReasonUnknown || row.verdict == Unjudged || row.verdict == Impossible {
			t.Errorf("ending %s is not complete", row.name)
		}
	}
}

func TestCloseReasonsRoundTrip(t *testing.T) {
	for _, r := range CloseReasons() {
		if back, ok := ParseCloseReason(r.String()); !ok || back != r {
			t.Errorf("ParseCloseReason(%q) = %s, %v", r, back, ok)
		}
	}
	for c := ClosedByUnknown; c <= ClosedByKernel; c++ {
		if back, ok := ParseCloser(c.String()); !ok || back != c {
			t.Errorf("ParseCloser(%q) = %q, %v", c, back, ok)
		}
	}
	for end := TWUnknown; end < NumTimeWaitEnds; end++ {
		if back, ok := ParseTimeWaitEnd(end.String()); !ok || back != end {
			t.Errorf("ParseTimeWaitEnd(%q) = %s, %v", end, back, ok)
		}
		if j := end.Judge(); j.Rule.String() != timeWaitEnds[end].rule || j.Verdict != timeWaitEnds[end].verdict {
			t.Errorf("%s: judged %s by %s", end, j.Verdict, j.Rule)
		}
	}
	for end, want := range map[TimeWaitEnd]Verdict{
		TWUnknown: Unjudged, TWExpired: Normal, TWReused: Normal, TWAssassinated: Abnormal,
		TWKilled: Abnormal, TWNetnsGone: Normal, TWOverflow: Abnormal, TWData: Abnormal,
	} {
		if j := end.Judge(); j.Verdict != want {
			t.Errorf("%s: %s, want %s", end, j.Verdict, want)
		}
	}
	if CloseReason(99).String() != "unknown(99)" || Closer(99).String() != "" || TimeWaitEnd(99).Judge().Verdict != Unjudged {
		t.Error("numbers out of range")
	}
}

func TestJudgeDoesNotAllocate(t *testing.T) {
	ending := endingTests[0].ending
	unknown := Ending{From: Established, HasResetReason: true, ResetReason: "SOMETHING"}
	if n := testing.AllocsPerRun(1000, func() {
		ending.Judge()
		unknown.Judge()
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkJudge(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		endingTests[i%len(endingTests)].ending.Judge()
	}
}
