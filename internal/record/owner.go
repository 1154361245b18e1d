package record

import (
	"fmt"
	"strconv"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// owner writes who the socket belongs to, as far as it is known.
func owner(b []byte, o *track.Observation) []byte {
	w := &o.Owner
	if w.Named() {
		b = process(b, w)
		if p := o.Process; p != nil {
			b = known(b, "container", p.Container)
			b = known(b, "unit", p.Unit)
			b = known(b, "cmdline", p.Cmdline)
		}
		b = append(b, ',')
	}
	b = append(b, `"provenance":"`...)
	b = append(b, w.Provenance.String()...)
	b = append(b, '"')
	b = known(b, "note", w.Note.String())
	if o.Holders == nil {
		return b
	}
	b = append(b, `,"holders":[`...)
	for i := range o.Holders {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = process(b, &o.Holders[i])
		b = append(b, '}')
	}
	b = append(b, ']')
	if more := o.Holding - len(o.Holders); more > 0 {
		b = number(b, "holders_more", uint64(more))
	}
	return b
}

func process(b []byte, w *events.Owner) []byte {
	b = append(b, `"pid":`...)
	b = strconv.AppendUint(b, uint64(w.PID), 10)
	b = appendComm(b, &w.Comm)
	if w.FD >= 0 {
		b = number(b, "fd", uint64(w.FD))
	}
	return b
}

// known writes a text that may not be known.
func known(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return text(b, name, printable.String(s))
}

// Person is the actor of a line, or a holder.
type Person struct {
	PID  uint32 `json:"pid"`
	Comm string `json:"comm"`
	FD   *int32 `json:"fd"`
}

// Owner is the owner of a line.
type Owner struct {
	Person
	Provenance string   `json:"provenance"`
	Container  string   `json:"container"`
	Unit       string   `json:"unit"`
	Cmdline    string   `json:"cmdline"`
	Note       string   `json:"note"`
	Holders    []Person `json:"holders"`
	More       int      `json:"holders_more"`
}

// maxRecordedHolders bounds what a line may list: Encoder writes fewer.
const maxRecordedHolders = 1024

// recall fills r with the owner of a line.
func (w *Owner) recall(r *events.Recorded) (err error) {
	if r.Owner, err = w.owner(); err != nil {
		return err
	}
	var ok bool
	if r.Owner.Provenance, ok = events.ParseProvenance(w.Provenance); !ok {
		return fmt.Errorf("parse owner: unknown provenance %q", w.Provenance)
	}
	r.Owner.Note = events.ParseNote(w.Note)
	if w.Container != "" || w.Unit != "" || w.Cmdline != "" {
		p := &events.Process{}
		for _, f := range []struct {
			to   *string
			from string
		}{{&p.Container, w.Container}, {&p.Unit, w.Unit}, {&p.Cmdline, w.Cmdline}} {
			raw, err := unescapeAll(f.from)
			if err != nil {
				return err
			}
			*f.to = string(raw)
		}
		r.Process = p
	}
	for i := range w.Holders[:min(len(w.Holders), maxRecordedHolders)] {
		h, err := w.Holders[i].owner()
		if err != nil {
			return err
		}
		h.Provenance = events.ProvenanceExact
		r.Holders = append(r.Holders, h)
	}
	if r.Holders != nil {
		r.Holding = len(r.Holders) + max(w.More, 0)
	}
	return nil
}

func (p *Person) owner() (w events.Owner, err error) {
	w = events.Owner{PID: p.PID, FD: -1}
	if p.FD != nil {
		w.FD = *p.FD
	}
	w.Comm, err = parseComm(p.Comm)
	return w, err
}
