// Package found joins the two halves of an inventory: the sockets, and the
// file descriptors that refer to them.
package found

import (
	"errors"
	"io"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Sockets turns an inventory into observations, one per socket.
type Sockets struct {
	sink    track.Sink
	holders map[uint64]events.Event // by address, the first fd of each socket
	order   []uint64                // addresses of holders as they came
	id      uint64
}

// New reports to sink.
func New(sink track.Sink) *Sockets {
	return &Sockets{sink: sink, holders: map[uint64]events.Event{}}
}

// Source is an inventory, the fds first (probe.Snapshot).
type Source interface {
	events.Source
	// Walked reports whether the sockets of a namespace were walked.
	Walked(netns uint32) bool
}

// Read reads an inventory to its end. A socket that only an fd told of comes
// last: one in CLOSE, or in a namespace that could not be entered. In a
// namespace that was walked, any other has ended in between.
func (s *Sockets) Read(source Source) error {
	var ev events.Event
	for {
		err := source.Next(&ev)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch ev.Kind {
		case events.Holder:
			if _, ok := s.holders[ev.SK]; !ok {
				s.holders[ev.SK] = ev
				s.order = append(s.order, ev.SK)
			}
		case events.Inventory:
			holder, ok := s.holders[ev.SK]
			// The address alone does not tell: it may have a new socket by now.
			if ok && same(&holder, &ev) {
				delete(s.holders, ev.SK)
				s.report(&ev, &holder)
			} else {
				s.report(&ev, nil)
			}
		}
	}
	for _, sk := range s.order {
		holder, ok := s.holders[sk]
		switch {
		case !ok: // joined
			continue
		case holder.To == model.Close && holder.Rport == 0: // never connected
			continue
		case holder.To != model.Close && source.Walked(holder.Netns):
			continue
		}
		ev := holder
		ev.Kind = events.Inventory
		ev.Extra = 0
		s.report(&ev, &holder)
	}
	return nil
}

// same reports whether two halves with one address are of one socket. A cookie
// is 0 until somebody asks the kernel for it.
func same(holder, row *events.Event) bool {
	return holder.Cookie == row.Cookie || holder.Cookie == 0 || row.Cookie == 0
}

func (s *Sockets) report(ev, holder *events.Event) {
	s.id++
	o := track.Observation{Event: *ev, ID: s.id, InState: -1, Began: track.BeganInPast, Owner: events.Owner{FD: -1}}
	o.Judgement = model.Judgement{Verdict: model.Unjudged, Rule: model.RuleBeganBefore}
	if ev.To == model.Listen {
		o.Role = model.RoleListener
	}
	switch {
	case ev.Has(model.Kernel):
		o.Owner.Provenance = events.ProvenanceKernel
	case holder != nil:
		o.Owner = events.Owner{PID: holder.PID, FD: int32(holder.FD()), Comm: holder.Comm, Provenance: events.ProvenanceExact}
	}
	s.sink.Observe(&o)
}
