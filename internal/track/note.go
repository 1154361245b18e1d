package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// NoteOf says of a found socket what it shows of itself: why no process has it.
func NoteOf(ev *events.Event) events.Note {
	switch {
	case ev.Has(model.Kernel):
		return events.NoteNone
	case ev.To == model.Listen, ev.To == model.TimeWait, ev.To == model.NewSynRecv, ev.To == model.Close:
		return events.NoteNone
	case ev.Has(model.Dead):
		return events.NoteOrphan
	case !ev.Has(model.HasSocket) && !ev.Has(model.MPTCP): // a subflow may have none for good
		return events.NoteNotAccepted
	}
	return events.NoteNone
}
