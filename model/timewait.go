package model

// TimeWaitEnd is how a mini-socket ended.
type TimeWaitEnd uint8

const (
	TimeWaitUnknown TimeWaitEnd = iota
	TimeWaitExpired
	TimeWaitReused
	TimeWaitAssassinated
	TimeWaitKilled
	TimeWaitNetnsGone
	TimeWaitOverflow
	NumTimeWaitEnds
)

// timeWaitEnds judges the ends of mini-sockets (tcp_timewait_state_process,
// tcp_time_wait, inet_twsk_purge, tcp_twsk_unique).
var timeWaitEnds = [NumTimeWaitEnds]struct {
	name, rule, section, why string
	verdict                  Verdict
}{
	TimeWaitUnknown: {"unknown", "time-wait-unknown", "",
		"The mini-socket ended early and nothing that was seen says why.", Unjudged},
	TimeWaitExpired: {"expired", "time-wait-expired", "RFC 9293 3.10.8",
		"The mini-socket waited its full time (60 s in Linux) and went away.", Normal},
	TimeWaitReused: {"reused", "time-wait-reused", "RFC 9293 3.6.1; RFC 6191",
		"A new connection between the same addresses and ports took the place of the waiting one.", Notable},
	TimeWaitAssassinated: {"assassinated", "time-wait-assassinated", "RFC 1337",
		"An RST cut TIME_WAIT short (sysctl net.ipv4.tcp_rfc1337 is 0), so old segments could reach a new connection.", Abnormal},
	TimeWaitKilled: {"killed", "time-wait-killed", "tcp_abort, Linux 6.0",
		"An administrator removed the mini-socket (ss -K).", Notable},
	TimeWaitNetnsGone: {"netns_gone", "time-wait-netns-gone", "inet_twsk_purge, Linux 5.8",
		"The network namespace was removed, and its mini-sockets with it.", Normal},
	TimeWaitOverflow: {"overflow", "time-wait-overflow", "tcp_time_wait, Linux 5.8",
		"There were more mini-sockets than net.ipv4.tcp_max_tw_buckets allows, so none was made.", Abnormal},
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
		t = TimeWaitUnknown
	}
	return Judgement{timeWaitEnds[t].verdict, timeWaitRule(int(t))}
}

// TimeWaitEndOf returns the end that a rule of Judge's is about.
func TimeWaitEndOf(r Rule) (TimeWaitEnd, bool) {
	for end := TimeWaitUnknown; end < NumTimeWaitEnds; end++ {
		if end.Judge().Rule == r {
			return end, true
		}
	}
	return TimeWaitUnknown, false
}
