package waits

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// entry is what is kept of one socket of an inventory. It holds no pointers but
// the owner's process, which many share.
type entry struct {
	netns        uint32
	pid          uint32
	unread       uint32
	fd           int32
	stack        uint32
	holding      int32 // fds that refer to it
	again        uint32
	age          int64 // ns in its state, -1 if nothing tells
	remaining    int64 // ns, of a mini-socket
	received     int64 // ns since data last came, -1 for never, or not known
	sent         int64 // ns since data last went
	cookie       uint64
	id           uint64
	ownerSeen    uint64
	process      *events.Process
	holders      []events.Owner // where they were asked for, and there are several
	saddr, daddr [16]byte
	comm         [16]byte
	lport, rport uint16
	family       events.Family
	state        model.State
	substate     model.State
	provenance   events.Provenance
	note         events.Note
	atLeast      bool // age is a lower bound

	quiet    int64  // ns since a segment last came, -1 if not known
	iss, irs uint32 // of a full socket; iss may be the number before (see numbers)
	sndNxt   uint32
	rcvNxt   uint32
	sndUna   uint32
}

// timeWaitLen is how long a mini-socket waits in TIME_WAIT, in ns (TCP_TIMEWAIT_LEN,
// every version).
const timeWaitLen = 60e9

func entryOf(o *track.Observation) entry {
	ev := &o.Event
	e := entry{
		netns: ev.Netns, pid: o.Owner.PID, fd: o.Owner.FD, holding: int32(o.Holding), cookie: ev.Cookie, id: o.ID, ownerSeen: o.Owner.Seen, stack: o.Stack, process: o.Process,
		saddr: ev.Saddr, daddr: ev.Daddr, comm: o.Owner.Comm, lport: ev.Lport, rport: ev.Rport, family: ev.Family,
		state: ev.To, substate: ev.From, provenance: o.Owner.Provenance, note: o.Owner.Note,
	}
	if len(o.Holders) > 1 && (ev.To == model.CloseWait || ev.To == model.Close) {
		e.holders = o.Holders
	}
	if e.holding == 0 && e.fd >= 0 {
		e.holding = 1
	}
	switch ev.To {
	case model.TimeWait:
		e.remaining = ev.Remaining()
	case model.NewSynRecv:
		e.again = uint32(ev.Count)
	default:
		e.unread, e.again = ev.Unread(), uint32(ev.Retransmits)
	}
	e.age, e.atLeast = ageOf(o)
	a := ev.Ages()
	e.received, e.sent = a.Received, a.Sent
	e.numbers(ev)
	return e
}

// ageOf returns for how long a socket has been in its state. Where that was not
// seen, the kernel knows when the newest segment came, and the state is at least
// as old as that: what leads into CLOSE_WAIT, FIN_WAIT2 or CLOSE is a segment.
func ageOf(o *track.Observation) (ns int64, atLeast bool) {
	ev := &o.Event
	switch {
	case o.InState >= 0:
		return o.InState, false
	case ev.To == model.TimeWait && ev.From == model.TimeWait:
		// A segment of the peer's begins the wait anew.
		return max(0, int64(timeWaitLen)-ev.Remaining()), true
	}
	a := ev.Ages()
	switch ev.To {
	case model.CloseWait, model.FinWait2, model.Close:
		return a.Segment, true
	}
	return -1, true
}
