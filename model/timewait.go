package model

// TimeWaitEnd is how a mini-socket ended.
type TimeWaitEnd uint8

const (
	TWUnknown      TimeWaitEnd = iota // it went early, and nothing that was seen says why
	TWExpired                         // its timer ran out
	TWReused                          // a new connection took its place
	TWAssassinated                    // an RST arrived
	TWKilled                          // ss -K, bpf_sock_destroy
	TWNetnsGone                       // its network namespace was removed
	TWOverflow                        // there were too many: none was made
	TWData                            // in FIN_WAIT2: the peer sent data in place of its FIN
	NumTimeWaitEnds
)

// timeWaitEnds judges the ends of mini-sockets. Read in Linux 5.8 to 7.1:
// tcp_timewait_state_process, tcp_time_wait, tcp_twsk_unique, inet_twsk_purge,
// tcp_abort.
var timeWaitEnds = [NumTimeWaitEnds]struct {
	name, rule, section, why string
	linux                    string // what Linux does, for Explain; ends in a newline
	verdict                  Verdict
}{
	TWUnknown: {"unknown", "time-wait-end-unseen", "",
		"The mini-socket went away early, and nothing that was seen says why.",
		"Its timer was taken off before it ran out: by an RST, by a new connection, by an administrator, or with its network namespace. The event that would tell was not seen, so nobody is accused.\n", Unjudged},
	TWExpired: {"expired", "time-wait-expired", "RFC 9293 3.4.2, 3.6.1, 3.10.8",
		"The mini-socket waited its full time and went away.",
		"The RFC waits twice the maximum segment lifetime, four minutes; Linux waits 60 s (TCP_TIMEWAIT_LEN, not a setting), and for the peer's FIN net.ipv4.tcp_fin_timeout. A retransmitted FIN starts the minute again.\n", Normal},
	TWReused: {"reused", "time-wait-reused", "RFC 9293 3.6.1, 3.10.7.4; RFC 6191",
		"A new connection between the same addresses and ports took the place of the waiting one.",
		"Linux accepts a new SYN whose sequence number or timestamp is beyond the old connection's, and lets connect() take the place over where timestamps are on (net.ipv4.tcp_tw_reuse: 2, the default, on loopback only). Either way old segments are told from new ones, so it is safe.\n", Normal},
	TWAssassinated: {"assassinated", "time-wait-assassinated", "RFC 1337; RFC 9293 3.10.7.4",
		"TIME_WAIT cut short: an RST arrived, so old segments could reach a new connection.",
		"RFC 9293 obeys the RST, RFC 1337 says why one should not. Linux obeys it unless net.ipv4.tcp_rfc1337 is 1.\n", Abnormal},
	TWKilled: {"killed", "time-wait-killed", "tcp_abort, Linux 6.0",
		"TIME_WAIT cut short: an administrator removed the mini-socket (ss -K), so old segments could reach a new connection.",
		"From Linux 6.0 ss -K and bpf_sock_destroy reach mini-sockets, too. The peer is told nothing: it has closed already.\n", Abnormal},
	TWNetnsGone: {"netns_gone", "time-wait-netns-gone", "inet_twsk_purge, Linux 5.8",
		"The network namespace was removed, and its mini-sockets with it.",
		"The addresses went with it, so no late segment can find anything. Ordinary when a container stops.\n", Normal},
	TWOverflow: {"overflow", "time-wait-overflow", "tcp_time_wait, Linux 5.8",
		"TIME_WAIT left out: there were more mini-sockets than net.ipv4.tcp_max_tw_buckets allows, so none was made.",
		"The connection ended in order, but late segments of it may reach a new one. The kernel counts it (nstat: TCPTimeWaitOverflow). Raise the limit; each mini-socket costs a few hundred bytes.\n", Abnormal},
	TWData: {"data_after_close", "time-wait-data-after-close", "RFC 9293 3.6.1; tcp_timewait_state_process, Linux 5.8",
		"FIN_WAIT2 cut short: the peer sent data that nobody here could read any more, and was answered with an RST.",
		"The application had closed, and the mini-socket waited for the peer's FIN alone: any other new segment ends it. A full socket that ends so is reset_by_local_other (end-data-after-close).\n", Abnormal},
}

// String returns the name in the public contract.
func (t TimeWaitEnd) String() string {
	if t < NumTimeWaitEnds {
		return timeWaitEnds[t].name
	}
	return unknownNames[t]
}

// ParseTimeWaitEnd is the inverse of String.
func ParseTimeWaitEnd(s string) (TimeWaitEnd, bool) {
	for i := range timeWaitEnds {
		if timeWaitEnds[i].name == s {
			return TimeWaitEnd(i), true
		}
	}
	return 0, false
}

// Judge returns what the model thinks of this end.
func (t TimeWaitEnd) Judge() Judgement {
	if t >= NumTimeWaitEnds {
		t = TWUnknown
	}
	return Judgement{timeWaitEnds[t].verdict, timeWaitRule(int(t))}
}

// TimeWaitEndOf returns the end that a rule of Judge's is about.
func TimeWaitEndOf(r Rule) (TimeWaitEnd, bool) {
	for end := TWUnknown; end < NumTimeWaitEnds; end++ {
		if end.Judge().Rule == r {
			return end, true
		}
	}
	return TWUnknown, false
}
