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

// MaxHolders is how many holders of one socket are listed; the rest is counted.
const MaxHolders = 64

// Sockets turns an inventory into observations, one per socket.
type Sockets struct {
	// All lists the holders of each socket, not only the first.
	All bool

	sink      track.Sink
	holders   map[uint64]*holders // by address
	order     []uint64            // addresses of holders as they came
	listeners listeners
	lacking   []events.Event // rows of sockets that an fd could hold, and none was seen to
	id        uint64
	obs       track.Observation // reused
}

// New reports to sink.
func New(sink track.Sink) *Sockets {
	return &Sockets{sink: sink, holders: map[uint64]*holders{}, listeners: listeners{}}
}

// Source is an inventory, the fds first (probe.Snapshot).
type Source interface {
	events.Source
	// Walked reports whether the sockets of a namespace were walked.
	Walked(netns uint32) bool
}

// Read reads an inventory to its end. Sockets of which it has to be waited
// whether an fd is found come late, and one that only an fd told of comes last:
// one in CLOSE, or in a namespace that could not be entered. In a namespace that
// was walked, any other has ended in between.
func (s *Sockets) Read(source Source) error {
	unheld := map[uint64]bool{}
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
			if h, ok := s.holders[ev.SK]; ok {
				h.add(&ev, s.All)
			} else {
				s.holders[ev.SK] = newHolders(&ev, s.All)
				s.order = append(s.order, ev.SK)
			}
		case events.Inventory:
			if h := s.take(&ev); h != nil || ev.To == model.Close || !ev.Has(model.HasSocket) || ev.Has(model.Dead) {
				s.report(&ev, h, events.NoteNone)
			} else {
				s.lacking = append(s.lacking, ev)
			}
		case events.Unheld:
			unheld[ev.SK] = true
		}
	}
	for i := range s.lacking {
		note := events.NoteNone
		if unheld[s.lacking[i].SK] {
			note = events.NoteInFlight
		}
		s.report(&s.lacking[i], s.take(&s.lacking[i]), note)
	}
	for _, sk := range s.order {
		h := s.holders[sk]
		if h.joined || h.first.Subflows() || // that is no TCP socket
			h.first.To == model.Close && h.first.Rport == 0 || // never connected
			h.first.To != model.Close && source.Walked(h.first.Netns) {
			continue
		}
		ev := h.first
		ev.SetAges(events.Ages{Segment: ev.Quiet(), Received: -1, Sent: -1})
		ev.Kind = events.Inventory
		ev.Extra = 0
		s.report(&ev, h, events.NoteNone)
	}
	return nil
}

// take returns the holders of a row's socket, nil if there are none.
func (s *Sockets) take(row *events.Event) *holders {
	if h, ok := s.holders[row.SK]; ok && same(&h.first, row) {
		h.joined = true
		return h
	}
	if above := row.Above(); above != 0 {
		return s.holders[above]
	}
	return nil
}

// same reports whether two halves with one address are of one socket: the
// address alone does not tell, as it may have a new socket by now. A cookie is 0
// until somebody asks the kernel for it.
func same(holder, row *events.Event) bool {
	return holder.Cookie == row.Cookie || holder.Cookie == 0 || row.Cookie == 0
}

func (s *Sockets) report(ev *events.Event, h *holders, note events.Note) {
	s.id++
	o := &s.obs
	*o = track.Observation{ID: s.id, InState: -1, Began: track.BeganInPast, Owner: events.Owner{FD: -1}}
	o.Event = *ev
	o.Judgement = model.Judgement{Verdict: model.Unjudged, Rule: model.RuleBeganBefore}
	if ev.To == model.Listen {
		o.Role = model.RoleListener
		s.listeners.add(ev, h)
	}
	switch {
	case ev.Has(model.Kernel):
		o.Owner.Provenance = events.ProvenanceKernel
	case h != nil:
		o.Owner = ownerOf(&h.first)
		o.Owner.Note = track.NoteOf(ev) // closed since its fd was seen
		o.Holders, o.Holding = h.all, h.n
	default:
		if o.Owner.Note = track.NoteOf(ev); o.Owner.Note == events.NoteNone {
			o.Owner.Note = note
		}
		if ev.To == model.NewSynRecv || o.Owner.Note == events.NoteNotAccepted {
			s.listeners.bequeath(ev, &o.Owner)
		}
	}
	s.sink.Observe(o)
}

func ownerOf(holder *events.Event) events.Owner {
	return events.Owner{Seen: holder.Time, PID: holder.PID, FD: int32(holder.FD()), Comm: holder.Comm, Provenance: events.ProvenanceExact}
}
