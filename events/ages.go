package events

import (
	"encoding/binary"

	"github.com/tcpwatch/tcpwatch/model"
)

// Ages says how long ago, in ns, something last came on a connection found, or
// went; -1 for never, or not known. The kernel's clock for it ticks every 1 to 10
// ms (tcp_sock.rcv_tstamp and lsndtime, inet_connection_sock.icsk_ack.lrcvtime).
type Ages struct {
	Segment  int64 // received: the newest with an ACK, which all but a SYN and some RST have
	Received int64 // data received
	Sent     int64 // data sent; until there is any, the handshake
}

// noAges are those of which nothing is known.
var noAges = Ages{-1, -1, -1}

// Ages returns them (Inventory of a full socket that does not listen).
func (e *Event) Ages() Ages {
	switch e.To {
	case model.Listen, model.TimeWait, model.NewSynRecv, model.SynSent:
		return noAges
	}
	if e.Kind != Inventory {
		return noAges
	}
	ago := func(at int) int64 {
		v := int64(binary.NativeEndian.Uint32(e.Comm[at:]))
		if v == 0 {
			return -1
		}
		return (v - 1) * 1e6
	}
	return Ages{ago(0), ago(4), ago(8)}
}

// SinceSYN returns how long ago, in ns and to a millisecond, connect() sent the
// first SYN (Inventory of a socket in SYN_SENT), or -1.
func (e *Event) SinceSYN() int64 {
	v := int64(binary.NativeEndian.Uint32(e.Comm[:]))
	if e.Kind != Inventory || e.To != model.SynSent || v == 0 {
		return -1
	}
	return (v - 1) * 1e6
}

// Quiet returns how long ago, in ns, something last came on a connection that has
// ended, or -1 (Holder of a socket in CLOSE).
func (e *Event) Quiet() int64 {
	if e.To != model.Close || e.Extra>>32 == 0 {
		return -1
	}
	return (int64(e.Extra>>32) - 1) * 1e6
}

// SetAges is the inverse of Ages, to a millisecond.
func (e *Event) SetAges(a Ages) {
	for i, ns := range [...]int64{a.Segment, a.Received, a.Sent} {
		v := uint32(0)
		if ns >= 0 {
			v = uint32(min(ns/1e6, 1<<32-2)) + 1
		}
		binary.NativeEndian.PutUint32(e.Comm[4*i:], v)
	}
}
