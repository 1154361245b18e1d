package model

// Evidence is what the kernel's socket said of itself at the instant of one
// event. It is all that judging needs, so a recorded stream can be judged
// again.
//
// At a transition the fields are read before sk->sk_state is written: they
// belong to the old state (inet_sk_set_state, tcp_set_state, Linux 5.8 to 7.3).
type Evidence struct {
	BytesAcked    uint64 // tcp_sock.bytes_acked: counts the SYN of an active open, and our FIN
	BytesReceived uint64 // tcp_sock.bytes_received: counts the peer's FIN as one byte
	SndUna        uint32 // oldest unacknowledged sequence number (RFC 9293 3.3.1)
	SndNxt        uint32 // next sequence number to send
	RcvNxt        uint32 // next sequence number expected
	WriteSeq      uint32 // one past the last byte queued for sending
	CopiedSeq     uint32 // one past the last byte the application has read
	Err           uint16 // sk_err, a positive errno, 0 for none
	ErrSoft       uint16 // sk_err_soft, a positive errno, 0 for none
	Flags         Flags
	Shutdown      uint8 // sk_shutdown: bit 0 receive, bit 1 send
	Retransmits   uint8 // icsk_retransmits: unanswered retransmissions so far
	Probes        uint8 // icsk_probes_out: unanswered zero-window or keepalive probes
}

// Flags are the yes-or-no facts of one event.
type Flags uint32

// The flag bits are shared with bpf/event.h.
const (
	Owned       Flags = 1 << 0  // sk_lock.owned: the running task acts on this socket in a system call
	Dead        Flags = 1 << 1  // SOCK_DEAD: orphaned, no process can reach it
	Done        Flags = 1 << 2  // SOCK_DONE: the peer's FIN was received
	Linger0     Flags = 1 << 3  // SO_LINGER with a timeout of 0: close() aborts
	Linger2Neg  Flags = 1 << 4  // TCP_LINGER2 below 0: no FIN_WAIT2 after close()
	KeepOpen    Flags = 1 << 5  // SO_KEEPALIVE
	HasSocket   Flags = 1 << 6  // sk_socket is set: a struct socket, usually an fd, refers to it
	Repair      Flags = 1 << 7  // TCP_REPAIR: state is being set by hand
	MPTCP       Flags = 1 << 8  // a subflow of an MPTCP connection
	UserTimeout Flags = 1 << 9  // TCP_USER_TIMEOUT is set
	Kernel      Flags = 1 << 10 // a socket of the kernel's own (no reference on its netns)
	KThread     Flags = 1 << 11 // with Owned: the running task is a kernel thread
	Inherited   Flags = 1 << 12 // the event's pid and comm are the listener's owner, inherited at birth
	ActiveReset Flags = 1 << 13 // a reset sent of our own accord, not in reply to a segment
	Rescued     Flags = 1 << 14 // recorded by the second copy of the program
	TFO         Flags = 1 << 15 // a child created from a SYN with TCP Fast Open, handshake unfinished
	Descendant  Flags = 1 << 17 // who acts, or has the listener, descends from the process that is watched
	Stale       Flags = 1 << 16 // a newborn whose peer and cookie are not filled in yet (up to Linux 6.14)
)

// Has reports whether every bit of f is set.
func (e *Evidence) Has(f Flags) bool { return e.Flags&f == f }
