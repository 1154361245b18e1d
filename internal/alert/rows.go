package alert

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/waits"
)

// fillGroups makes the groups of one rule anew from the rows of an inventory.
func (e *Engine) fillGroups(t *tracker, rows []row, r *waits.Report) {
	for _, g := range t.order {
		g.present, g.rows, g.top = false, 0, nil
	}
	for i := range rows {
		if t.row != nil && !t.row.holds(&e.vm, rows[i].env) {
			continue
		}
		for k, name := range t.By {
			t.labels[k], _ = rows[i].env[name].(string)
		}
		g, ok := t.group()
		if !ok {
			e.overflow.Add(1)
		}
		g.take(t.subject, &rows[i])
	}
	for _, g := range t.order {
		if !g.present {
			g.env, g.series = t.subject.env(), nil
			continue
		}
		g.derive(t, r)
	}
}

// take adds a row to the group's numbers.
func (g *group) take(s *subject, from *row) {
	first := g.rows == 0
	g.rows++
	g.present = true
	g.top.add(from.holder)
	for _, f := range s.fields {
		v, there := from.env[f.name]
		switch {
		case !there:
		case first:
			g.env[f.name] = v
		case f.merge == mergeSum:
			g.env[f.name] = g.env[f.name].(float64) + v.(float64)
		case f.merge == mergeMax:
			g.env[f.name] = max(g.env[f.name].(float64), v.(float64))
		case f.merge == mergeText && g.env[f.name] != v:
			g.env[f.name] = "" // they have not that in common
		}
	}
}

// derive works out what needs all of the group.
func (g *group) derive(t *tracker, r *waits.Report) {
	switch t.On {
	case socketsSubject:
		count := g.env["count"].(float64)
		g.series.add(r.Time, count, t.Window)
		g.env["share"] = count / float64(max(1, r.Sockets))
	case portsSubject:
		g.series.add(r.Time, g.env["taken"].(float64), t.Window)
	default:
		return
	}
	g.env["slope"] = g.series.slope()
}

// grow takes the counters of a namespace for the rules that look at them.
func (e *Engine) grow(time uint64, netns uint32, c *events.Counters, who Holder) {
	for _, t := range e.rules {
		if t.On != netnsSubject {
			continue
		}
		t.labels[0] = numberText(uint64(netns)) // it is always by netns
		g, ok := t.group()
		if !ok {
			e.overflow.Add(1)
			continue // counters of several namespaces cannot be told apart in one group
		}
		g.present, g.seen = true, max(g.seen, time)
		g.env["netns"] = t.labels[0]
		if who.Example != "" {
			g.note(who)
		}
		g.growBy(t, time, c)
	}
}

// note keeps what a listener of the namespace shows of itself: the newest of each.
func (g *group) note(who Holder) {
	for i := range g.top {
		if h := &g.top[i]; h.Example == who.Example {
			h.Holder = who
			return
		}
	}
	if len(g.top) < maxHolders {
		g.top = append(g.top, holder{Holder: who})
	}
}

func (g *group) growBy(t *tracker, time uint64, c *events.Counters) {
	if g.counted == nil {
		g.counted = map[string]*series{}
	}
	for n := range events.NumCounters {
		value, known := c.Get(n)
		if !known {
			continue
		}
		s := g.counted[n.String()]
		if s == nil {
			s = &series{}
			g.counted[n.String()] = s
		}
		s.add(time, float64(value), t.Window)
	}
}

// forgotten is after how many windows a namespace of which nothing is heard is gone.
const forgotten = 10

// weighNamespace works out by how much the counters grew, at time now.
func (t *tracker) weighNamespace(g *group, now uint64) {
	for name, s := range g.counted {
		s.age(now, t.Window)
		g.env[name] = s.growth()
	}
	g.present = now-min(now, g.seen) < forgotten*uint64(t.Window)
}
