package alert

import (
	"fmt"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/view"
	"github.com/tcpwatch/tcpwatch/internal/waits"
)

// maxTableRows is how many rows of one kind an inventory's report is read for: the
// largest come first. The rest is counted as overflow.
const maxTableRows = 4096

// row is one line of a report, as rules see it.
type row struct {
	env    map[string]any
	holder Holder
}

// Inventory takes a report of what waits: what rules on sockets, ports, listeners
// and namespaces look at until the next, so there has to be one every few seconds.
// The report may be thrown away after.
func (e *Engine) Inventory(r *waits.Report) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rows := map[string][]row{}
	for _, t := range e.rules {
		switch t.On {
		case socketsSubject, portsSubject, listenSubject:
			if rows[t.On] == nil {
				rows[t.On] = e.bounded(rowsOf(t.On, r))
			}
			e.fillGroups(t, rows[t.On], r)
		}
	}
	for i := range r.Listeners {
		if l := &r.Listeners[i]; l.Counters != nil {
			e.grow(r.Time, l.Netns, l.Counters, holderOfListener(l))
		}
	}
	for i := range r.Spaces {
		if s := &r.Spaces[i]; s.Counted {
			var c events.Counters
			c.Set(events.TimeWaitOverflow, s.Overflow)
			e.grow(r.Time, s.Netns, &c, Holder{FD: -1})
		}
	}
}

// Counters takes what the kernel has counted in a network namespace, at a time in ns
// since boot. Where nobody calls it, rules on namespaces know what reports tell.
func (e *Engine) Counters(time uint64, netns uint32, c *events.Counters) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.grow(time, netns, c, Holder{FD: -1})
}

func (e *Engine) bounded(rows []row) []row {
	if len(rows) > maxTableRows {
		e.overflow.Add(uint64(len(rows) - maxTableRows))
		rows = rows[:maxTableRows]
	}
	return rows
}

func rowsOf(subject string, r *waits.Report) []row {
	switch subject {
	case socketsSubject:
		return socketRows(r)
	case portsSubject:
		return portRows(r)
	}
	return listenerRows(r)
}

func socketRows(r *waits.Report) (all []row) {
	for s := range r.Sections {
		for i := range r.Sections[s].Groups {
			g := &r.Sections[s].Groups[i]
			k, x := &g.Key, &g.Example
			ev := events.Event{Family: x.Family, Saddr: x.Local, Daddr: x.Remote, Lport: x.Lport, Rport: x.Rport}
			raddr := ""
			if k.Family != 0 {
				raddr = events.Addr(k.Family, &k.Raddr).String()
			}
			all = append(all, row{
				env: map[string]any{
					"section": g.Section.String(), "kind": k.Kind.String(), "netns": numberText(uint64(k.Netns)), "comm": printable.Comm(&k.Comm),
					"pid": numberText(uint64(k.PID)), "container": printable.String(k.Container), "lport": portText(k.Lport), "raddr": raddr, "rport": portText(k.Rport),
					"count": float64(g.Count), "stale": float64(g.Ages - g.Newer), "oldest": float64(g.Oldest), "unread": float64(g.Unread),
					"fds": float64(g.Holding), "retransmits": float64(g.Again),
				},
				holder: Holder{
					PID: k.PID, Comm: printable.Comm(&k.Comm), FD: x.FD, Count: g.Count, Example: view.Tuple(&ev), History: historyOfExample(g, r.Time),
				},
			})
		}
	}
	return all
}

// historyOfExample tells of a group's oldest socket what the report has of it.
func historyOfExample(g *waits.Group, now uint64) string {
	if x := &g.Example; len(x.History) > 0 {
		return tell(x.History, now)
	}
	text := g.Section.Title()
	switch x := &g.Example; {
	case x.Age < 0:
	case x.AtLeast:
		text += " " + view.Duration(x.Age) + " or longer"
	default:
		text += " " + view.Duration(x.Age)
	}
	return text
}

func portRows(r *waits.Report) (all []row) {
	for i := range r.Pressure {
		p := &r.Pressure[i]
		source, dest := events.Addr(p.Family, &p.Source).String(), events.Addr(p.Family, &p.Dest).String()
		all = append(all, row{
			env: map[string]any{
				"netns": numberText(uint64(p.Netns)), "laddr": source, "raddr": dest, "rport": portText(p.Port),
				"taken": float64(p.Taken()), "time_wait": float64(p.TimeWait), "usable": float64(p.Usable), "pressure": p.Ratio(), "failed": float64(p.Failed),
			},
			holder: Holder{
				FD: -1, Count: p.Taken(), Example: fmt.Sprintf("%s > %s:%d", source, dest, p.Port),
				History: fmt.Sprintf("%d of %d ports taken, %d by TIME_WAIT", p.Taken(), p.Usable, p.TimeWait),
			},
		})
	}
	return all
}

func listenerRows(r *waits.Report) (all []row) {
	for i := range r.Listeners {
		l := &r.Listeners[i]
		all = append(all, row{
			env: map[string]any{
				"netns": numberText(uint64(l.Netns)), "laddr": events.Addr(l.Family, &l.Addr).String(), "lport": portText(l.Port),
				"comm": printable.Comm(&l.Comm), "pid": numberText(uint64(l.PID)),
				"accept_queue": float64(l.Queues.Accept), "accept_limit": float64(l.Queues.AcceptLimit),
				"syn_queue": float64(l.Queues.SYN), "syn_limit": float64(l.Queues.SYNLimit), "unaccepted": float64(l.Unaccepted),
			},
			holder: holderOfListener(l),
		})
	}
	return all
}

func holderOfListener(l *waits.Listener) Holder {
	ev := events.Event{Family: l.Family, Saddr: l.Addr, Lport: l.Port}
	return Holder{
		PID: l.PID, Comm: printable.Comm(&l.Comm), FD: -1, Count: int(l.Queues.Accept), Example: view.Tuple(&ev),
		History: fmt.Sprintf("LISTEN: accept queue %d of %d, SYN queue %d of %d", l.Queues.Accept, l.Queues.AcceptLimit, l.Queues.SYN, l.Queues.SYNLimit),
	}
}
