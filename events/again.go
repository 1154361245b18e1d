package events

// Again is why a segment was sent again, as the kernel's congestion state and timers
// tell it (icsk_ca_state, icsk_pending, Linux 5.8 to 7.3).
type Again uint8

// The numbers are shared with bpf/tcpwatch.bpf.c.
const (
	AgainUnknown Again = iota
	AgainRTO           // nothing was acknowledged in time (RFC 6298), or what follows from that
	AgainFast          // acknowledgments showed a hole (RFC 5681 3.2, 6675, 8985 6)
	AgainProbe         // a probe of whether the last segment was lost (RFC 8985 7)
	numAgain
)

var againNames = [numAgain]string{"", "rto", "fast", "probe"}

// String returns the name in the public contract, empty if it is not known.
func (a Again) String() string {
	if a < numAgain {
		return againNames[a]
	}
	return ""
}

// ParseAgain is the inverse of String.
func ParseAgain(s string) (Again, bool) {
	for i, name := range againNames {
		if name == s {
			return Again(i), true
		}
	}
	return 0, false
}
