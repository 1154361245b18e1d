package track

import "github.com/tcpwatch/tcpwatch/events"

// The subflows of an MPTCP connection have no fd of their own: whoever holds the
// socket above them holds them. While the inventory is under way the holders of
// such sockets are remembered by their addresses, which the subflows name.

// noteAbove remembers who holds an MPTCP socket.
func (t *Table) noteAbove(ev *events.Event) {
	if !t.looking || len(t.above) >= t.options.MaxSockets {
		return
	}
	if _, ok := t.above[ev.SK]; !ok { // the first fd stays
		t.above[ev.SK] = holderOf(ev)
	}
}

// ownAbove gives a found subflow the owner of the socket above it.
func (t *Table) ownAbove(s *Socket, ev *events.Event) {
	if above := ev.Above(); above != 0 {
		if w, ok := t.above[above]; ok {
			s.hold(w)
		}
	}
}

func holderOf(ev *events.Event) events.Owner {
	return events.Owner{Seen: ev.Time, PID: ev.PID, FD: int32(ev.FD()), Comm: ev.Comm, Provenance: events.ProvenanceExact}
}
