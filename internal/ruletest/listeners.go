package ruletest

import (
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/model"
)

// maxListeners bounds the listeners of a test.
const maxListeners = 4096

// listeners are the newest rows of each listener of a story. A table that replays
// keeps the first: what its queues hold is no event.
type listeners struct {
	bySocket map[uint64]*track.Observation
}

// take keeps the row of a listener, and shows it to the engine. It reports whether ev
// is one.
func (l *listeners) take(ev *events.Event, engine *alert.Engine) bool {
	if ev.Kind != events.Inventory || ev.To != model.Listen || ev.Recorded == nil {
		return false
	}
	o := &track.Observation{
		Event: *ev, ID: ev.Socket, InState: -1, Owner: ev.Recorded.Owner, Process: ev.Recorded.Process, Role: model.RoleListener, Listen: ev.Recorded.Listen,
	}
	engine.Observe(o)
	if l.bySocket == nil {
		l.bySocket = map[uint64]*track.Observation{}
	}
	if l.bySocket[ev.Socket] != nil || len(l.bySocket) < maxListeners {
		l.bySocket[ev.Socket] = o
	}
	return true
}

// list hands the rows to a report, those of the smallest sockets first.
func (l *listeners) list(to *waits.Collector) {
	ids := make([]uint64, 0, len(l.bySocket))
	for id := range l.bySocket {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		to.Observe(l.bySocket[id])
	}
}
