package waits

import (
	"bytes"
	"hash/maphash"
	"net/netip"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// Other is what is known of the other ends of a group's sockets, of those that are on
// this host.
type Other struct {
	Count   int         // sockets whose other end says something: the rest of Other is of these
	State   model.State // of the other end of the example
	Gone    bool        // there is none any more
	Verdict model.Verdict
	Rule    model.Rule
	Lasting int64 // ns for which the longest has lasted, at least
	Example Example
	PID     uint32
	Comm    [16]byte
	From    events.Provenance
	Netns   uint32
}

// meeting is what the two ends of a tuple say together.
type meeting struct {
	pairing   model.Pairing
	judgement model.Judgement
	lasting   int64
	other     *entry // nil if it is gone
}

// oneSided reports whether an established end has no established one opposite.
func (m *meeting) oneSided() bool {
	return m.pairing == model.PairHalfOpen || m.pairing == model.PairNotAccepted || m.pairing == model.PairStates
}

// meets adds what a socket of the group and its other end say together; the
// longest is the example.
func (g *Group) meets(m *meeting) {
	if m.pairing == model.PairNothing {
		return
	}
	o := &g.Other
	o.Count++
	if o.Count > 1 && m.lasting <= o.Lasting {
		return
	}
	o.Lasting, o.Verdict, o.Rule, o.Gone = m.lasting, m.judgement.Verdict, m.judgement.Rule, m.other == nil
	if e := m.other; e != nil {
		o.State, o.PID, o.Comm, o.From, o.Netns = tcpState(e), e.pid, e.comm, e.provenance, e.netns
		o.Example = Example{
			Cookie: e.cookie, Local: e.saddr, Remote: e.daddr, Lport: e.lport, Rport: e.rport, Family: e.family, FD: e.fd, ID: e.id,
			Age: e.age, AtLeast: e.atLeast, Received: e.received, Sent: e.sent,
		}
	}
}

// tcpState is the state that the connection is in: FIN_WAIT2's mini-socket is in that.
func tcpState(e *entry) model.State {
	if e.state == model.TimeWait {
		return e.substate
	}
	return e.state
}

// End is where a socket is, and to which it is connected.
type End struct{ Local, Remote netip.AddrPort }

// Translation is a connection whose ends do not have each other's addresses: of each
// end what its socket has.
type Translation struct{ Opener, Other End }

// ends finds the other end of a socket. It indexes those in which somebody waits for
// somebody: of the others most have an other end that is as it should be.
type ends struct {
	seed  maphash.Seed
	index map[uint64][]*entry // by where they are, to which
	nat   map[uint64][]End    // by one end, where the other is
	alone map[*entry]bool     // on one address of a host, and nothing is at the other end
}

// otherEnds indexes the inventory.
func (c *Collector) otherEnds() *ends {
	x := &ends{seed: maphash.MakeSeed(), index: map[uint64][]*entry{}, nat: map[uint64][]End{}, alone: map[*entry]bool{}}
	wanted := map[uint64]*entry{} // by where the other end would be
	both := func(yield func(*entry) bool) {
		c.all(yield)
		for i := range c.unasked {
			if !yield(&c.unasked[i]) {
				return
			}
		}
	}
	for e := range both {
		switch tcpState(e) {
		case model.CloseWait, model.FinWait2, model.LastAck, model.NewSynRecv:
			k := x.key(e, false)
			x.index[k] = append(x.index[k], e)
		}
		if mayBeAlone(e) {
			wanted[x.key(e, true)] = e
			x.alone[e] = true
		}
	}
	c.translate(x)
	if len(wanted) == 0 {
		return x
	}
	for e := range both {
		if e.state == model.Close {
			continue // a process holds what is left of it
		}
		if w := wanted[x.key(e, false)]; w != nil && w.netns == e.netns && faces(w, e) {
			delete(x.alone, w)
		}
	}
	return x
}

// mayBeAlone reports whether the other end must be in the same network namespace, and
// what happened to it cannot be under way.
func mayBeAlone(e *entry) bool {
	switch e.state {
	case model.Established, model.NewSynRecv:
	case model.FinWait2:
		if e.note == events.NoteOrphan {
			return false // its time runs
		}
	default:
		return false
	}
	a := addr(e.family, &e.saddr)
	return a == addr(e.family, &e.daddr) || a.IsLoopback() && addr(e.family, &e.daddr).IsLoopback()
}

// translate asks for what was translated, where somebody waits, and lets nobody be
// alone whose other end may have another address.
func (c *Collector) translate(x *ends) {
	asked := map[uint32]bool{}
	ask := func(netns uint32) (known bool) {
		known, ok := asked[netns]
		if ok || c.options.NAT == nil {
			return known
		}
		all, known := c.options.NAT(netns)
		asked[netns] = known
		for _, t := range all {
			a, b := x.keyOf(t.Opener.Local, t.Opener.Remote), x.keyOf(t.Other.Local, t.Other.Remote)
			x.nat[a], x.nat[b] = append(x.nat[a], t.Other), append(x.nat[b], t.Opener)
		}
		return known
	}
	if len(x.index) > 0 {
		ask(0)
	}
	for _, waiting := range x.index {
		for _, e := range waiting {
			ask(e.netns)
		}
	}
	for e := range x.alone {
		if !ask(e.netns) || len(x.nat[x.key(e, false)]) > 0 {
			delete(x.alone, e)
		}
	}
}

// of returns what a socket and its other end say together.
func (x *ends) of(e *entry) (m meeting) {
	state := tcpState(e)
	if x.alone[e] {
		m.lasting = e.lasting()
		m.pairing, m.judgement = model.Pair(state, 0, true, false, true, m.lasting)
		return m
	}
	for _, other := range x.index[x.key(e, true)] {
		if !faces(e, other) {
			continue
		}
		same := e.netns == other.netns
		one := oneConnection(e, other)
		if !same && !one {
			continue
		}
		m.other, m.lasting = other, min(e.lasting(), other.lasting())
		if m.pairing, m.judgement = model.Pair(state, tcpState(other), false, one, same, m.lasting); m.pairing != model.PairNothing {
			return m
		}
	}
	return x.behindNAT(e, state)
}

// behindNAT looks for the other end where its address was translated. The numbers have
// to prove it: a port may have been given to another since.
func (x *ends) behindNAT(e *entry, state model.State) (m meeting) {
	if len(x.nat) == 0 {
		return m
	}
	for _, end := range x.nat[x.key(e, false)] {
		for _, other := range x.index[x.keyOf(end.Local, end.Remote)] {
			if !oneConnection(e, other) {
				continue
			}
			m.other, m.lasting = other, min(e.lasting(), other.lasting())
			if m.pairing, m.judgement = model.Pair(state, tcpState(other), false, true, false, m.lasting); m.pairing != model.PairNothing {
				return m
			}
		}
	}
	return meeting{}
}

// lasting is for how long a socket has been as it is, in ns, at least: it moves when a
// segment comes, or data goes.
func (e *entry) lasting() int64 {
	switch {
	case e.age >= 0 && e.state != model.Established:
		return e.age // the state it waits in
	case e.quiet < 0:
		return 0
	case e.sent >= 0:
		return min(e.quiet, e.sent)
	}
	return e.quiet
}

// key hashes where a socket is and to which it is connected, or the other way round.
func (x *ends) key(e *entry, reverse bool) uint64 {
	local, remote := netip.AddrPortFrom(addr(e.family, &e.saddr), e.lport), netip.AddrPortFrom(addr(e.family, &e.daddr), e.rport)
	if reverse {
		local, remote = remote, local
	}
	return x.keyOf(local, remote)
}

func (x *ends) keyOf(local, remote netip.AddrPort) uint64 {
	var b [36]byte
	for i, end := range [...]netip.AddrPort{local, remote} {
		a := end.Addr().As16()
		copy(b[16*i:], a[:])
		b[32+2*i], b[33+2*i] = byte(end.Port()), byte(end.Port()>>8)
	}
	return maphash.Bytes(x.seed, b[:])
}

// addr is an address in one form: a socket of IPv6 may have one of IPv4.
func addr(f events.Family, a *[16]byte) netip.Addr { return events.Addr(f, a).Unmap() }

// faces reports whether two sockets have each other's addresses.
func faces(a, b *entry) bool {
	if a.lport != b.rport || a.rport != b.lport {
		return false
	}
	if a.family == b.family {
		return bytes.Equal(a.saddr[:], b.daddr[:]) && bytes.Equal(a.daddr[:], b.saddr[:])
	}
	return addr(a.family, &a.saddr) == addr(b.family, &b.daddr) && addr(a.family, &a.daddr) == addr(b.family, &b.saddr)
}

// numbers keeps what proves that two sockets are ends of one connection
// (RFC 9293 3.4): what the kernel counts gives the numbers of both SYNs away.
func (e *entry) numbers(ev *events.Event) {
	e.quiet = -1
	e.sndNxt, e.rcvNxt, e.sndUna = ev.SndNxt, ev.RcvNxt, ev.SndUna
	switch ev.To {
	case model.TimeWait:
	case model.NewSynRecv:
		e.iss, e.irs = ev.SndNxt, ev.RcvNxt
	default:
		e.quiet = ev.Ages().Segment
		e.iss, e.irs = ev.SndUna-uint32(ev.BytesAcked), ev.RcvNxt-uint32(ev.BytesReceived)-1
	}
}

// oneConnection reports whether the numbers prove it. The SYN of a child counts as no
// byte of what was acknowledged, so its number may be one less than was worked out.
func oneConnection(a, b *entry) bool {
	switch {
	case a.state == model.SynSent || b.state == model.SynSent:
		return false
	case a.state == model.TimeWait:
		return proves(a, b)
	case b.state == model.TimeWait:
		return proves(b, a)
	}
	return known(a, b) && known(b, a)
}

// known reports whether a has received the SYN of b.
func known(a, b *entry) bool {
	return a.irs == b.iss || b.state != model.NewSynRecv && a.irs == b.iss-1
}

// proves reports whether a mini-socket stands where the other end has seen its FIN, and
// has received what that has sent.
func proves(mini, full *entry) bool {
	if full.state == model.TimeWait || full.state == model.NewSynRecv {
		return false
	}
	return mini.sndNxt == full.rcvNxt && mini.rcvNxt-full.sndUna <= full.sndNxt-full.sndUna
}
