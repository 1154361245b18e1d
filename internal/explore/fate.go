package explore

// Fate is why a life really ended: the explorer knows, the model has to find out.
type Fate uint8

const (
	TimeWaitEntered       Fate = iota // both FINs are acknowledged
	FinWait2HandedOver                // an orphan's FIN_WAIT2 became a mini-socket
	FinAcknowledged                   // the last ACK
	ResetReceived                     // an RST
	DataAfterClose                    // data that nobody could read any more
	Linger2Negative                   // TCP_LINGER2 below 0: no FIN_WAIT2
	LingerZero                        // close() with SO_LINGER 0
	UnreadThrownAway                  // close() with data unread
	Disconnected                      // connect(AF_UNSPEC)
	Abandoned                         // close() or shutdown() before the handshake was answered
	ConnectFailed                     // connect() got no port
	RefusedByICMP                     // port unreachable
	UnreachableByICMP                 // host unreachable
	NeverAcknowledged                 // sent again and again
	NeverAcknowledgedSoft             // the same, with an ICMP message on the way
	WindowNeverOpened                 // probed again and again
	KeepaliveUnanswered               // idle, and no answer
	FinWait2TooLong                   // the peer's FIN never came
	OutOfMemory                       // an orphan reset for want of memory
	OutOfMemorySilently               // an orphan dropped for want of memory
	Aborted                           // ss -K
	ListenerGone                      // a child in the queue of a listener that closed
	ChildFailed                       // a child that could not be set up
	ListenerStopped                   // a listener's own end
	numFates
)

var fateNames = [numFates]string{
	TimeWaitEntered:       "both FINs acknowledged",
	FinWait2HandedOver:    "an orphan's FIN_WAIT2 handed over",
	FinAcknowledged:       "the last ACK",
	ResetReceived:         "RST received",
	DataAfterClose:        "data after close()",
	Linger2Negative:       "TCP_LINGER2 below 0",
	LingerZero:            "SO_LINGER 0",
	UnreadThrownAway:      "close() with data unread",
	Disconnected:          "connect(AF_UNSPEC)",
	Abandoned:             "closed before the handshake was answered",
	ConnectFailed:         "connect() failed",
	RefusedByICMP:         "port unreachable",
	UnreachableByICMP:     "host unreachable",
	NeverAcknowledged:     "never acknowledged",
	NeverAcknowledgedSoft: "never acknowledged, with an ICMP message",
	WindowNeverOpened:     "window never opened",
	KeepaliveUnanswered:   "keepalive unanswered",
	FinWait2TooLong:       "FIN_WAIT2 too long",
	OutOfMemory:           "out of memory, with an RST",
	OutOfMemorySilently:   "out of memory, in silence",
	Aborted:               "ss -K",
	ListenerGone:          "listener closed",
	ChildFailed:           "child could not be set up",
	ListenerStopped:       "listener's own end",
}

// String returns the fate in a few words.
func (f Fate) String() string { return fateNames[f] }

// Fates returns every fate.
func Fates() []Fate {
	all := make([]Fate, numFates)
	for i := range all {
		all[i] = Fate(i)
	}
	return all
}
