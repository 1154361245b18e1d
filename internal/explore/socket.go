package explore

import "github.com/tcpwatch/tcpwatch/model"

// socket is a full socket (struct tcp_sock); the zero value is none.
type socket struct {
	machine model.Machine // what the model knows of it
	state   model.State

	iss, una, nxt, write number // snd_una, snd_nxt, write_seq
	irs, rcv, copied     number // rcv_nxt, copied_seq
	acked, received      number // bytes_acked, bytes_received

	facts    facts
	shutdown uint8 // sk_shutdown
}

// facts are the yes-or-no facts of a socket.
type facts uint16

const (
	child    facts = 1 << iota // born of a listener
	fastOpen                   // its SYN had data, and its handshake is unfinished (fastopen_rsk)
	peerSYN                    // irs is known
	held                       // a process holds it
	dead                       // SOCK_DEAD: an orphan
	done                       // SOCK_DONE: the peer's FIN was received
	answered                   // with an RST, and lived on
	crossed                    // its SYN and the peer's did
)

const (
	shutReceive = 1 // RCV_SHUTDOWN
	shutSend    = 2 // SEND_SHUTDOWN
	shutBoth    = 3
)

func (s *socket) is(f facts) bool { return s.facts&f != 0 }

// live reports whether there is a socket that a segment would find.
func (s *socket) live() bool { return s.state != 0 && s.state != model.Close }

// in reports whether the socket is in one of the states.
func (s *socket) in(states ...model.State) bool {
	for _, state := range states {
		if s.state == state {
			return true
		}
	}
	return false
}

// finQueued reports whether our FIN is the last that is queued.
func (s *socket) finQueued() bool {
	return s.in(model.FinWait1, model.FinWait2, model.Closing, model.LastAck)
}

// unread counts the bytes that were received and not read; the FIN is none.
func (s *socket) unread() number {
	n := s.rcv - s.copied
	if s.is(done) && n > 0 {
		n--
	}
	return n
}

// The numbers are told far from each other, and so that each wraps in the middle of
// the first connection.
const (
	toldSend    = ^uint32(firstISS)            // firstISS is told as 2^32 - 1
	toldReceive = 1<<31 - 1 - uint32(firstISS) // and the peer's as 2^31 - 1
)

func tellSend(n number) uint32    { return toldSend + uint32(n) }
func tellReceive(n number) uint32 { return toldReceive + uint32(n) }

// acting is who makes a transition, and what is only known while it does.
type acting struct {
	owned       bool // in a system call on this socket
	err         uint16
	errSoft     uint16
	retransmits uint8
	probes      uint8
	flags       model.Flags

	resetReceived bool // tcp_receive_reset fired just before
	unlocked      bool // never from the backlog of a system call
}

// evidence is what the socket says of itself. Of a newborn nothing is filled in.
func (s *socket) evidence(a acting) model.Evidence {
	ev := model.Evidence{
		Err: a.err, ErrSoft: a.errSoft, Retransmits: a.retransmits, Probes: a.probes,
		Flags: a.flags | model.KeepOpen, Shutdown: s.shutdown,
	}
	for _, f := range [...]struct {
		is   bool
		flag model.Flags
	}{
		{a.owned, model.Owned}, {s.is(held), model.HasSocket}, {s.is(dead), model.Dead},
		{s.is(done), model.Done}, {s.is(fastOpen), model.TFO},
	} {
		if f.is {
			ev.Flags |= f.flag
		}
	}
	if s.state == model.Close || s.state == model.Listen {
		return ev
	}
	ev.SndUna, ev.SndNxt, ev.WriteSeq = tellSend(s.una), tellSend(s.nxt), tellSend(s.write)
	ev.BytesAcked, ev.BytesReceived = uint64(s.acked), uint64(s.received)
	if s.rcv != 0 {
		ev.RcvNxt, ev.CopiedSeq = tellReceive(s.rcv), tellReceive(s.copied)
	}
	return ev
}

// numbersAreRight reports whether what the model has read of the numbers is true.
func (s *socket) numbersAreRight() bool {
	n := &s.machine.Numbers
	return !(n.Has(model.HasISS) && n.ISS != tellSend(s.iss) ||
		n.Has(model.HasIRS) && n.IRS != tellReceive(s.irs) ||
		n.Has(model.HasFIN) && n.FIN != tellSend(s.write-1) ||
		n.Has(model.HasPeerFIN) && n.PeerFIN != tellReceive(s.rcv-1))
}
