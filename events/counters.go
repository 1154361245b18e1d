package events

// Counter names one of the counters that the kernel keeps of TCP for each network
// namespace, and only for each: which socket was meant, it does not say. Each
// counts from the beginning of its namespace.
type Counter int

const (
	ListenOverflows  Counter = iota // the accept queue was full: a SYN or a handshake's last ACK was dropped
	ListenDrops                     // all that listeners dropped, ListenOverflows with it
	SyncookiesSent                  // SYN-ACKs with a cookie, for want of room in the SYN queue
	SyncookiesRecv                  // handshakes that a cookie completed
	SyncookiesFailed                // ACKs whose cookie was not one of ours
	ReqQFullCookies                 // the SYN queue was full, and a cookie was sent
	ReqQFullDrop                    // the SYN queue was full, and the SYN was dropped: cookies are off
	TimeWaitOverflow                // a connection went without TIME_WAIT: net.ipv4.tcp_max_tw_buckets
	TimeWait                        // mini-sockets: begun from Linux 5.19 on, before that expired
	TimeWaitRecycled                // mini-sockets whose place connect() took
	TimeWaitKilled                  // mini-sockets with a short time to wait
	EmbryonicRsts                   // half-open connections that an RST ended
	AbortOnData                     // reset: unread data at close(), or data after it
	AbortOnClose                    // reset by close() with unread data
	AbortOnMemory                   // reset or dropped: too many orphans, too little memory
	AbortOnTimeout                  // given up: nobody answered
	AbortOnLinger                   // reset by close() with TCP_LINGER2 below 0
	AbortFailed                     // a reset could not be sent
	NumCounters
)

// counterNames are the kernel's, of the group TcpExt, and those of the public contract.
var counterNames = [NumCounters]struct{ kernel, public string }{
	ListenOverflows:  {"ListenOverflows", "listen_overflows"},
	ListenDrops:      {"ListenDrops", "listen_drops"},
	SyncookiesSent:   {"SyncookiesSent", "syncookies_sent"},
	SyncookiesRecv:   {"SyncookiesRecv", "syncookies_recv"},
	SyncookiesFailed: {"SyncookiesFailed", "syncookies_failed"},
	ReqQFullCookies:  {"TCPReqQFullDoCookies", "req_q_full_do_cookies"},
	ReqQFullDrop:     {"TCPReqQFullDrop", "req_q_full_drop"},
	TimeWaitOverflow: {"TCPTimeWaitOverflow", "tw_overflow"},
	TimeWait:         {"TW", "tw"},
	TimeWaitRecycled: {"TWRecycled", "tw_recycled"},
	TimeWaitKilled:   {"TWKilled", "tw_killed"},
	EmbryonicRsts:    {"EmbryonicRsts", "embryonic_rsts"},
	AbortOnData:      {"TCPAbortOnData", "abort_on_data"},
	AbortOnClose:     {"TCPAbortOnClose", "abort_on_close"},
	AbortOnMemory:    {"TCPAbortOnMemory", "abort_on_memory"},
	AbortOnTimeout:   {"TCPAbortOnTimeout", "abort_on_timeout"},
	AbortOnLinger:    {"TCPAbortOnLinger", "abort_on_linger"},
	AbortFailed:      {"TCPAbortFailed", "abort_failed"},
}

// String returns the name in the public contract.
func (c Counter) String() string { return counterNames[c].public }

// Kernel returns the name that nstat prints, without its group.
func (c Counter) Kernel() string { return counterNames[c].kernel }

// Counters is what one namespace counted. It holds no pointers.
type Counters struct {
	values [NumCounters]uint64
	has    uint32 // bit of each Counter that the kernel has
}

// Get returns a counter, and whether the kernel has it.
func (c *Counters) Get(n Counter) (uint64, bool) { return c.values[n], c.has&(1<<n) != 0 }

// Set sets a counter.
func (c *Counters) Set(n Counter, value uint64) {
	c.values[n] = value
	c.has |= 1 << n
}

// ParseCounter is the inverse of String.
func ParseCounter(s string) (Counter, bool) {
	for n := range counterNames {
		if counterNames[n].public == s {
			return Counter(n), true
		}
	}
	return 0, false
}
