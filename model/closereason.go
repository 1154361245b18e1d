package model

// CloseReason is why a socket's life ended, one for each life.
type CloseReason uint8

const (
	ReasonUnknown            CloseReason = iota
	ReasonFin                            // both ends agreed, or the rest is left to a mini-socket
	ReasonResetByPeer                    // an RST arrived
	ReasonResetByLocalLinger             // SO_LINGER 0, or TCP_LINGER2 below 0
	ReasonResetByLocalUnread             // close() with received data unread
	ReasonResetByLocalOther              // data after close(), too little memory, MPTCP
	ReasonRefused                        // the connection attempt was refused
	ReasonUnreachable                    // the network said there is no way
	ReasonTimeoutSyn                     // no answer to SYN or SYN-ACK
	ReasonTimeoutRetransmit              // data or FIN never acknowledged, or a window never opened
	ReasonTimeoutKeepalive               // no answer to keepalive probes
	ReasonTimeoutOrphan                  // nobody held the socket, and the kernel gave it up
	ReasonHandshakeAbandoned             // given up locally before it was established
	ReasonNeverAccepted                  // a child dropped before it reached the accept queue
	ReasonListenerClosed                 // a queued child dropped with its listener
	ReasonKilled                         // ss -K, bpf_sock_destroy
	ReasonDisconnected                   // connect(AF_UNSPEC), or a TCP_REPAIR close
	ReasonListenEnded                    // a listener's own end
	numReasons
)

var reasonNames = [numReasons]string{
	"unknown", "fin", "reset_by_peer", "reset_by_local_linger", "reset_by_local_unread",
	"reset_by_local_other", "refused", "unreachable", "timeout_syn", "timeout_retransmit",
	"timeout_keepalive", "timeout_orphan", "handshake_abandoned", "never_accepted",
	"listener_closed", "killed", "disconnected", "listen_ended",
}

// String returns the name in the public contract.
func (r CloseReason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return unknownNames[r]
}

// ParseCloseReason is the inverse of String.
func ParseCloseReason(s string) (CloseReason, bool) {
	for i, name := range reasonNames {
		if name == s {
			return CloseReason(i), true
		}
	}
	return 0, false
}

// CloseReasons returns every close reason.
func CloseReasons() []CloseReason {
	all := make([]CloseReason, numReasons)
	for i := range all {
		all[i] = CloseReason(i)
	}
	return all
}

// Closer is who ended a connection.
type Closer uint8

const (
	ClosedByUnknown Closer = iota
	ClosedByLocal          // an application of this host: it closed, aborted or gave up
	ClosedByPeer           // the other end
	ClosedByKernel         // this kernel by itself (timeouts, limits), or for an administrator (ss -K)
)

var closerNames = [...]string{"", "local", "peer", "kernel"}

// String returns the name in the public contract, empty if unknown.
func (c Closer) String() string {
	if int(c) < len(closerNames) {
		return closerNames[c]
	}
	return ""
}

// ParseCloser is the inverse of String.
func ParseCloser(s string) (Closer, bool) {
	for i, name := range closerNames {
		if name == s {
			return Closer(i), true
		}
	}
	return 0, false
}
