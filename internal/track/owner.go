package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// econnaborted is what tcp_abort (ss -K, bpf_sock_destroy) leaves in sk_err.
const econnaborted = 103

const shutdownBoth = 3 // SHUTDOWN_MASK: what close() sets before it acts

// own updates the owner from a transition. An owner changes only by what a
// process does with the socket: listen, connect, shutdown, close. Whoever
// kills it from outside is an actor, never an owner.
func (s *Socket) own(ev *events.Event) {
	if ev.Has(model.Descendant) && (ev.Has(model.Inherited) || acts(ev)) {
		s.Facts |= Descends
	}
	switch {
	case ev.Has(model.Kernel):
		s.Owner = events.Owner{FD: -1, Provenance: events.ProvenanceKernel}
	case ev.Has(model.Inherited):
		s.Owner = events.Owner{Seen: ev.OwnerSeen(), PID: ev.PID, FD: -1, Comm: ev.Comm, Provenance: events.ProvenanceInherited}
	case acts(ev):
		fd := int32(-1)
		if s.Owner.PID == ev.PID {
			fd = s.Owner.FD
		}
		s.Owner = events.Owner{Seen: ev.Time, PID: ev.PID, FD: fd, Comm: ev.Comm, Provenance: events.ProvenanceExact}
	}
}

// use updates the owner from the first read, or from accept().
func (t *Table) use(ev *events.Event) {
	s := t.lookup(ev.SK)
	if s == nil || !sameSocket(s, ev) {
		return
	}
	s.own(ev)
	if ev.Kind == events.Accept {
		s.Stack = ev.Stack()
	}
}

// acts reports whether ev shows its process using the socket as its own.
func acts(ev *events.Event) bool {
	if !ev.Has(model.Owned) || ev.Has(model.KThread) || ev.Err == econnaborted {
		return false
	}
	if ev.Kind == events.Read || ev.Kind == events.Accept {
		return true
	}
	switch ev.To {
	case model.Listen, model.SynSent, model.FinWait1, model.LastAck:
		return true
	case model.FinWait2, model.Closing: // close() after shutdown()
		return ev.From == ev.To
	case model.Close:
		// close() has shut both directions down; tcp_abort of a listener has not.
		return ev.Err == 0 && ev.Shutdown == shutdownBoth
	}
	return false
}

// hold updates the owner from an fd that refers to the socket.
func (s *Socket) hold(w events.Owner) {
	if s.Owner.Provenance == events.ProvenanceExact && s.Owner.FD >= 0 {
		return // another fd of the same socket: the first one found stays
	}
	if s.Owner.Provenance == events.ProvenanceKernel {
		return
	}
	s.Owner = w
}
