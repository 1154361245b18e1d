package explore

import "github.com/tcpwatch/tcpwatch/model"

// resets is the RST that goes with an end, as tcp_send_reset tells of it.
type resets struct {
	sent, active, before bool
	reason               string // enum sk_rst_reason
}

// The RSTs of Linux: in answer to a segment after the end, of its own accord after
// the end (tcp_disconnect, close), and before it (tcp_abort, timers).
func inReply(reason string) resets { return resets{sent: true, reason: reason} }
func activeAfter(reason string) resets {
	return resets{sent: true, active: true, reason: reason}
}
func activeBefore(reason string) resets {
	return resets{sent: true, active: true, before: true, reason: reason}
}

// needsReset: which states tell the peer (tcp_need_reset).
func needsReset(s model.State) bool {
	switch s {
	case model.Established, model.CloseWait, model.FinWait1, model.FinWait2, model.SynRecv:
		return true
	}
	return false
}

// naming is how much a kernel says of why it sent an RST.
type naming uint8

const (
	namesNothing naming = iota // up to Linux 6.9
	namesReplies               // Linux 6.10, 6.11: those in reply
	namesAll                   // from Linux 6.12
)

// endings calls judge with all that can be known of one end, where kernels and
// moments differ: how much the kernel says of its RST, whether the segment waited in
// a backlog, whether something was sent again, and whether an RST that was sent
// earlier in this life, in reply, counts as part of its end.
func (s *socket) endings(a acting, r resets, judge func(*model.Ending)) {
	backlog := !a.owned && !a.unlocked && s.is(held|dead)
	for _, earlier := range maybe(s.is(answered)) {
		for _, again := range maybe(true) {
			for _, later := range maybe(backlog) {
				b := a
				b.owned = a.owned || later
				if again && s.una != s.nxt {
					b.retransmits = 1
				}
				for names := namesNothing; names <= namesAll; names++ {
					e := s.ending(b, r, earlier, names)
					if again {
						e.FinRetransmits = 1
					}
					judge(&e)
				}
			}
		}
	}
}

// maybe returns both answers where both can be, else no.
func maybe(both bool) []bool {
	if both {
		return []bool{false, true}
	}
	return []bool{false}
}

// ending fills an Ending as internal/track does.
func (s *socket) ending(a acting, r resets, earlier bool, names naming) model.Ending {
	e := model.Ending{
		From: s.state, Evidence: s.evidence(a), Role: s.role(), FirstFIN: s.firstFIN(),
		Established:       !s.in(model.SynSent, model.SynRecv),
		SimultaneousClose: s.state == model.Closing,
		ResetReceived:     a.resetReceived,
		ResetSent:         r.sent || earlier,
		ResetSentActive:   r.active,
		ResetBefore:       r.before || earlier,
	}
	switch {
	case !e.ResetSent || names == namesNothing:
	case r.active && names == namesReplies:
		e.HasResetReason, e.ResetReason = true, "NOT_SPECIFIED"
	case r.sent:
		e.HasResetReason, e.ResetReason = true, r.reason
	default:
		e.HasResetReason, e.ResetReason = true, "TCP_INVALID_ACK_SEQUENCE"
	}
	return e
}

func (s *socket) role() model.Role {
	switch {
	case s.is(child):
		return model.RolePassive
	case s.is(crossed):
		return model.RoleSimultaneous
	}
	return model.RoleActive
}

func (s *socket) firstFIN() model.Closer {
	switch s.state {
	case model.FinWait1, model.FinWait2, model.Closing:
		return model.ClosedByLocal
	case model.CloseWait, model.LastAck:
		return model.ClosedByPeer
	}
	return model.ClosedByUnknown
}
