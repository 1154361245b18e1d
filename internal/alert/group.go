package alert

import (
	"maps"
	"slices"

	"github.com/tcpwatch/tcpwatch/internal/track"
)

// maxGroups is how many groups one rule keeps. What comes beside them is put
// together in one more, whose labels are all `_other`, and counted.
const maxGroups = 256

const otherLabel = "_other"

// group is what a rule's `by` makes of all that it looks at.
type group struct {
	values  []string // of the labels, in the order of by
	hits    window   // of events
	env     map[string]any
	present bool // there is something in it
	rows    int  // of the newest inventory
	series  series
	counted map[string]*series // of namespaces: each counter
	seen    uint64             // of namespaces: when they were last heard of, ns since boot
	top     holders
	instance
}

// tracker is a rule at work.
type tracker struct {
	*Rule
	groups  map[string]*group
	order   []*group // as they came: what is told does not depend on a map
	other   *group
	all     window // of events: all of the kind
	lost    window // events lost
	limiter limiter
	scratch []byte
	labels  []string
}

func newTracker(r *Rule) *tracker {
	return &tracker{
		Rule: r, groups: map[string]*group{}, all: newWindow(r.Window), lost: newWindow(r.Window), limiter: limiter{limit: r.Limit}, labels: make([]string, len(r.By)),
	}
}

// group returns that with the labels in t.labels, and whether there was room for it.
func (t *tracker) group() (g *group, ok bool) {
	t.scratch = t.scratch[:0]
	for i := range t.labels {
		t.labels[i] = bounded(t.labels[i])
		t.scratch = append(t.scratch, t.labels[i]...)
		t.scratch = append(t.scratch, 0) // no label has it
	}
	if g := t.groups[string(t.scratch)]; g != nil {
		return g, true
	}
	if len(t.groups) < maxGroups {
		g := t.newGroup(t.labels)
		t.groups[string(t.scratch)] = g
		return g, true
	}
	if t.other == nil {
		values := make([]string, len(t.By))
		for i := range values {
			values[i] = otherLabel
		}
		t.other = t.newGroup(values)
	}
	return t.other, false
}

func (t *tracker) newGroup(values []string) *group {
	g := &group{values: slices.Clone(values), hits: newWindow(t.Window), env: t.subject.env()}
	t.order = append(t.order, g)
	return g
}

// forget drops the groups of which there is nothing left to say.
func (t *tracker) forget() {
	kept := t.order[:0]
	for _, g := range t.order {
		if g.present || g.phase != inactive {
			kept = append(kept, g)
		} else if g == t.other {
			t.other = nil
		}
	}
	if len(kept) == len(t.order) {
		return
	}
	clear(t.order[len(kept):])
	t.order = kept
	maps.DeleteFunc(t.groups, func(_ string, g *group) bool { return !g.present && g.phase == inactive })
}

// count takes an event that the rule is about, and reports whether there was a
// group for it.
func (t *tracker) count(o *track.Observation) bool {
	for i, name := range t.By {
		t.labels[i] = labelOf[name](o)
	}
	g, ok := t.group()
	g.hits.add(o.Event.Time, 1)
	g.present = true
	g.top.count(o)
	return ok
}

// weigh works out the numbers of a group of events at time now.
func (t *tracker) weigh(g *group, now uint64) {
	n := float64(g.hits.sum(now))
	all := float64(t.all.sum(now))
	g.present = n > 0
	g.env["count"], g.env["rate"], g.env["all"], g.env["share"] = n, n/t.Window.Seconds(), all, 0.0
	if all > 0 {
		g.env["share"] = n / all
	}
	for i, name := range t.By {
		g.env[name] = g.values[i]
	}
	if !g.present {
		g.top = nil
	}
}
