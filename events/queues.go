package events

import "github.com/tcpwatch/tcpwatch/model"

// Queues is how full the queues of a listener are.
type Queues struct {
	Accept, AcceptLimit uint32 // sk_ack_backlog, sk_max_ack_backlog: full beyond the limit
	SYN, SYNLimit       uint32 // half-open connections, and how many there may be
	Young               uint32 // those whose SYN-ACK was sent only once
	Known               bool   // SYN, SYNLimit and Young were read
}

// Queues returns how full a listener's queues are (Inventory of a LISTEN
// socket).
func (e *Event) Queues() Queues {
	var q Queues
	q.Accept, q.AcceptLimit = e.AcceptQueue()
	if e.BytesReceived != 0 {
		q.SYN, q.SYNLimit = uint32(e.BytesAcked), uint32(e.BytesAcked>>32)
		q.Young, q.Known = uint32(e.BytesReceived-1), true
	}
	return q
}

// SetQueues is the inverse of Queues.
func (e *Event) SetQueues(q Queues) {
	e.Extra = uint64(q.Accept) | uint64(q.AcceptLimit)<<32
	e.BytesAcked, e.BytesReceived = 0, 0
	if q.Known {
		e.BytesAcked, e.BytesReceived = uint64(q.SYN)|uint64(q.SYNLimit)<<32, uint64(q.Young)+1
	}
}

// Listener returns the address of the listener that a half-open connection
// belongs to (Inventory of a NEW_SYN_RECV socket).
func (e *Event) Listener() uint64 { return e.Extra }

// HalfOpen returns for how long a half-open connection has waited, in ns since
// its SYN-ACK was first sent, or -1 if that is not known (Inventory of a
// NEW_SYN_RECV socket).
func (e *Event) HalfOpen() int64 {
	if e.BytesAcked == 0 {
		return -1
	}
	return int64(e.BytesAcked)
}

// Handshaking returns for how long the handshake of a socket found has waited for
// the peer, in ns since this side's first segment went, or -1 if it is none, or that
// is not known.
func (e *Event) Handshaking() int64 {
	switch e.To {
	case model.NewSynRecv:
		return e.HalfOpen()
	case model.SynSent:
		return e.SinceSYN()
	}
	return -1
}

// Unaccepted reports whether a socket found is a connection that its listener's
// application has not accepted yet: no application ever had it. The subflows of
// MPTCP have no socket either.
func (e *Event) Unaccepted() bool {
	switch e.To {
	case model.Listen, model.Close, model.TimeWait, model.NewSynRecv, model.SynSent:
		return false
	}
	return e.Kind == Inventory && !e.Has(model.HasSocket) && !e.Has(model.Dead) && !e.Has(model.MPTCP)
}

// Listen is what else an inventory tells of a listener.
type Listen struct {
	Unaccepted int       // connections that wait to be accepted, found by their rows; -1 if not known
	Counters   *Counters // of its network namespace, nil if they were not read
}
