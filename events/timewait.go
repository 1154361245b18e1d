package events

// Cause is the kernel function that took the timer of a mini-socket off before
// its time (TWCancel). The numbers are shared with bpf/event.h.
type Cause uint8

const (
	CauseUnknown Cause = iota
	CauseRST           // tcp_timewait_state_process: an RST arrived, and tcp_rfc1337 is 0
	CauseSYN           // tcp_v4_rcv, tcp_v6_rcv: a new SYN took the place
	CauseConnect       // __inet_check_established: connect() took the place
	CauseAbort         // tcp_abort: ss -K, bpf_sock_destroy
	CauseData          // tcp_v4_rcv, tcp_v6_rcv: data came, and was answered with an RST
	CauseNetns         // inet_twsk_purge: the network namespace ended
)

// Cause returns why the timer was cancelled (TWCancel).
func (e *Event) Cause() Cause { return Cause(e.Count) }
