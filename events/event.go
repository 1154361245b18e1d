package events

import (
	"net/netip"

	"github.com/tcpwatch/tcpwatch/model"
)

// Event is one thing that happened to one socket, or was found of it. It holds
// no pointers but Recorded, so a slice of them costs the garbage collector
// little, and a Source can fill the same Event again and again.
//
// The first part is what the kernel program wrote (bpf/event.h); the second is
// set by Sources in user space.
type Event struct {
	model.Evidence

	Time        uint64 // ns since boot
	SK          uint64 // the socket's address: its identity from birth to Destroy
	Cookie      uint64 // as ss -e prints it after sk:, 0 if not known
	NetnsCookie uint64 // 0 where the kernel has none
	Extra       uint64 // by Kind: see the accessors
	Saddr       [16]byte
	Daddr       [16]byte
	Comm        [16]byte // of PID, raw bytes as the kernel has them: hostile until sanitised
	Netns       uint32   // inode number
	PID         uint32   // see Owned, Inherited and Holder; 0 if in no visible pid namespace
	Lport       uint16
	Rport       uint16
	Kind        Kind
	Family      Family
	From        model.State // Transition: the old state; Inventory of a mini-socket, TW*: its substate
	To          model.State // Transition: the new state; else the state at the time
	Count       uint8       // SynAck, and Transition of a child out of SYN_RECV: how often its SYN-ACK was sent again; Retransmit: see Again; TWCancel: Cause

	// Set by Sources in user space.

	Where     Where     // Lost
	LostCount uint64    // Lost
	Socket    uint64    // replay: the recorded socket id, 0 if live
	Step      uint32    // replay: which transition of the socket's life this is, from 1; 0 if live
	InState   int64     // replay: recorded ns in From, negative if unknown
	Recorded  *Recorded // replay: what else the line said
}

// Family is an address family, AF_INET or AF_INET6.
type Family uint8

const (
	IPv4 Family = 2
	IPv6 Family = 10
)

// String returns ipv4, ipv6 or unknown.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return "unknown"
}

// Where names the place in which events were lost.
type Where uint8

const (
	WhereRing   Where = iota // the ring buffer was full
	WhereNested              // the kernel skipped the program: it was running on that CPU
	WhereTable               // the socket table was full
	WhereQueue               // a sink was slower than the stream
	WhereSink                // a sink failed
	NumWhere
)

var whereNames = [NumWhere]string{"ring", "nested", "table", "queue", "sink"}

// String returns the name in the public contract.
func (w Where) String() string {
	if w < NumWhere {
		return whereNames[w]
	}
	return "unknown"
}

// ParseWhere is the inverse of String.
func ParseWhere(s string) (Where, bool) {
	for i, name := range whereNames {
		if name == s {
			return Where(i), true
		}
	}
	return 0, false
}

// Local returns the local address and port; the zero AddrPort for a family it
// does not know.
func (e *Event) Local() netip.AddrPort { return addrPort(e.Family, &e.Saddr, e.Lport) }

// Remote returns the peer's address and port, as Local does.
func (e *Event) Remote() netip.AddrPort { return addrPort(e.Family, &e.Daddr, e.Rport) }

func addrPort(f Family, a *[16]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(Addr(f, a), port)
}

// Addr returns the address that a record of family f holds in a.
func Addr(f Family, a *[16]byte) netip.Addr {
	switch f {
	case IPv4:
		return netip.AddrFrom4([4]byte(a[:4]))
	case IPv6:
		return netip.AddrFrom16(*a)
	}
	return netip.Addr{}
}

// Seq returns the first sequence number of the segment sent again
// (Retransmit), or of the SYN-ACK (SynAck).
func (e *Event) Seq() uint32 { return uint32(e.Extra) }

// SegmentFlags returns the TCP header flags of the segment sent again
// (Retransmit).
func (e *Event) SegmentFlags() uint8 { return uint8(e.Extra >> 32) }

// Again returns why the segment was sent again (Retransmit).
func (e *Event) Again() Again {
	if e.Kind != Retransmit || e.Count >= uint8(numAgain) {
		return AgainUnknown
	}
	return Again(e.Count)
}

// PeerISN returns the peer's initial sequence number (SynAck).
func (e *Event) PeerISN() uint32 { return uint32(e.Extra >> 32) }

// ResetReason returns the kernel's enum sk_rst_reason and whether it gave one
// (ResetSent, Linux 6.10 and later).
func (e *Event) ResetReason() (uint32, bool) { return uint32(e.Extra - 1), e.Extra != 0 }

// AcceptQueue returns the length and the limit of a listener's accept queue
// (Inventory of a LISTEN socket).
func (e *Event) AcceptQueue() (length, limit uint32) { return uint32(e.Extra), uint32(e.Extra >> 32) }

// Above returns the address of the MPTCP socket that a subflow belongs to, 0 if
// it is none or that cannot be told (Inventory of a full socket; of a listener
// it is not told).
func (e *Event) Above() uint64 {
	switch e.To {
	case model.Listen, model.TimeWait, model.NewSynRecv:
		return 0
	}
	if !e.Has(model.MPTCP) {
		return 0
	}
	return e.Extra
}

// Subflows reports whether the fd is of an MPTCP socket, and SK the address that
// its subflows name in Above (Holder).
func (e *Event) Subflows() bool { return e.Has(model.MPTCP) && e.Lport == 0 }

// Remaining returns how long the mini-socket has to live, in ns (Inventory of
// a TIME_WAIT socket).
func (e *Event) Remaining() int64 { return int64(e.Extra) }

// OwnerSeen returns when the listener's owner, PID, was seen to be a process's
// number, in ns since boot (Transition, Inherited).
func (e *Event) OwnerSeen() uint64 { return e.Extra }

// Stack returns the number of the stack at connect() or accept(), 0 if it is not
// known (Transition into SYN_SENT, Accept).
func (e *Event) Stack() uint32 {
	if e.Kind == Accept || e.Kind == Transition && e.To == model.SynSent {
		return uint32(e.Extra)
	}
	return 0
}

// FD returns the file descriptor (Holder).
func (e *Event) FD() int { return int(int32(e.Extra)) }

// Unread returns the number of bytes received and not yet read by the
// application. The peer's FIN, which ss counts, is not a byte.
func (e *Event) Unread() uint32 {
	n := e.RcvNxt - e.CopiedSeq
	if n > 0 && e.Has(model.Done) {
		n--
	}
	return n
}
