package found

import (
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
)

// holders are the fds that refer to one socket, after fork, dup or SCM_RIGHTS.
type holders struct {
	first  events.Event
	all    []events.Owner // nil unless asked for
	n      int
	joined bool // its row has come
}

func newHolders(first *events.Event, all bool) *holders {
	h := &holders{first: *first, n: 1}
	if all {
		h.all = []events.Owner{ownerOf(first)}
	}
	return h
}

// add counts another fd. Where the address has a new socket by now, the former
// one's fds are forgotten.
func (h *holders) add(ev *events.Event, all bool) {
	if !same(&h.first, ev) {
		*h = *newHolders(ev, all)
		return
	}
	if ev.PID == h.first.PID && ev.FD() == h.first.FD() {
		return // threads with file tables of their own
	}
	h.n++
	if !all || len(h.all) >= MaxHolders {
		return
	}
	if slices.ContainsFunc(h.all, func(w events.Owner) bool { return w.PID == ev.PID && w.FD == int32(ev.FD()) }) {
		h.n--
		return
	}
	h.all = append(h.all, ownerOf(ev))
}
