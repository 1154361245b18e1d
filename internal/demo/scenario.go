package demo

import "context"

// Scenario is one way in which a connection lives and dies.
type Scenario struct {
	Name  string // for Options.Only
	About string // one line
	run   func(context.Context, *stage) error
}

// Scenarios returns every scenario, in the order in which Run runs them. The
// two that hold on to sockets come first: they are there to be found while the
// others pass.
func Scenarios() []Scenario {
	return []Scenario{
		{"keep-open", "an idle connection, kept open until the end", keepOpen},
		{"leaked-close-wait", "the client closes, the server never does: CLOSE_WAIT until the end", leakedCloseWait},
		{"client-closes", "an orderly close, begun by the client", clientCloses},
		{"server-closes", "an orderly close, begun by the server", serverCloses},
		{"half-close", "the client ends its half, the server takes its time: a long CLOSE_WAIT", halfClose},
		{"reset", "the client aborts with an RST (SO_LINGER 0)", reset},
		{"unread", "the server closes with data unread, which the kernel answers with an RST", unread},
		{"refused", "nobody listens on the port", refused},
		{"simultaneous-close", "both ends close before either hears of the other: CLOSING", simultaneousClose},
		{"simultaneous-open", "a socket connects to itself: SYN_SENT to SYN_RECV, and CLOSING in the end", simultaneousOpen},
	}
}
