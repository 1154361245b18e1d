package alert

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
)

// maxHolders is how many holders a group counts. Who is not among them takes the
// place of the smallest, and its count (Metwally's space saving): the largest are
// found for certain, their counts are upper bounds.
const maxHolders = 4 * MaxTop

// holders are who a group is about.
type holders []holder

type holder struct {
	Holder
	comm [16]byte
}

// count counts an event.
func (h *holders) count(o *track.Observation) {
	all, w := *h, &o.Owner
	pid, comm := w.PID, w.Comm
	if !w.Named() {
		pid, comm = 0, [16]byte{}
	}
	least := 0
	for i := range all {
		if all[i].PID == pid && all[i].comm == comm {
			all[i].Count++
			return
		}
		if all[i].Count < all[least].Count {
			least = i
		}
	}
	one := holder{comm: comm, Holder: Holder{
		PID: pid, Comm: printable.Comm(&comm), FD: -1, Count: 1, Example: view.Tuple(&o.Event), History: historyOf(o),
	}}
	if w.Named() {
		one.FD = w.FD
	}
	if len(all) < maxHolders {
		*h = append(all, one)
		return
	}
	one.Count += all[least].Count
	all[least] = one
}

// add counts the sockets of a row of an inventory.
func (h *holders) add(one Holder) {
	for i := range *h {
		if k := &(*h)[i]; k.PID == one.PID && k.Comm == one.Comm {
			k.Count += one.Count
			return
		}
	}
	if len(*h) < maxHolders {
		*h = append(*h, holder{Holder: one})
	}
}

// top returns the largest.
func (h holders) top() []Holder {
	sorted := slices.Clone(h)
	slices.SortStableFunc(sorted, func(a, b holder) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.PID, b.PID))
	})
	top := make([]Holder, 0, MaxTop)
	for _, one := range sorted[:min(len(sorted), MaxTop)] {
		top = append(top, one.Holder)
	}
	return top
}

// historyOf tells of the event's socket what is at hand.
func historyOf(o *track.Observation) string {
	ev := &o.Event
	switch {
	case o.Socket != nil:
		return tell(o.Socket.History(), ev.Time) + ": " + o.Socket.End.Reason.String()
	case ev.Kind == events.Transition:
		text := ev.From.String()
		if o.InState >= 0 {
			text += " " + view.Duration(o.InState)
		}
		return text + ", " + ev.To.String()
	}
	return ev.To.String()
}

// tell writes the states of a life with how long each lasted, at time now.
func tell(steps []track.Step, now uint64) string {
	var b strings.Builder
	for i, st := range steps {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(st.State.String())
		until := now
		if i+1 < len(steps) {
			until = steps[i+1].Time
		}
		if st.Time != 0 && until > st.Time {
			b.WriteString(" " + view.Duration(int64(until-st.Time)))
		}
	}
	return b.String()
}
