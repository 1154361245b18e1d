package alert

import (
	"maps"
	"strconv"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
)

// Tick looks at all rules at time now, in ns since boot, and returns the alerts that
// have changed, or are to be told again. Time does not run backwards.
func (e *Engine) Tick(now uint64) (changed []Alert) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now = max(e.now, now)
	for _, t := range e.rules {
		if t.On == selfSubject {
			e.weighSelf(t)
		}
		for _, g := range t.order {
			switch {
			case t.subject.ofEvents():
				t.weigh(g, e.now)
			case t.On == netnsSubject:
				t.weighNamespace(g, e.now)
			}
			changed = e.decide(t, g, changed)
		}
		t.forget()
	}
	return changed
}

// weighSelf works out the numbers of the watch itself.
func (e *Engine) weighSelf(t *tracker) {
	g, _ := t.group()
	g.present = true
	lost := float64(t.lost.sum(e.now))
	g.env["lost"], g.env["rate"] = lost, lost/t.Window.Seconds()
	for w := range events.NumWhere {
		g.env[w.String()] = float64(e.losses[w].sum(e.now))
	}
	g.env["overflow"], g.env["suppressed"] = float64(e.overflow.Load()), float64(e.suppressed)
}

// decide moves one instance on, and appends its alert where it is to be told.
func (e *Engine) decide(t *tracker, g *group, changed []Alert) []Alert {
	on := g.present && t.expr.holds(&e.vm, g.env)
	off := !on
	if t.clear != nil {
		off = !g.present || t.clear.holds(&e.vm, g.env)
	}
	before := g.phase
	ended := g.step(t.Rule, e.now, on, off)
	if before == inactive && g.phase != inactive {
		g.base = e.lost - min(e.lost, t.lost.sum(e.now))
	}
	if g.phase == inactive && !ended {
		return changed
	}
	g.instance.lost = e.lost - g.base
	if v, ok := g.env[t.value].(float64); ok {
		g.value = v
	}
	switch {
	case ended && g.told:
		g.alert = e.resolve(t, g)
		return append(changed, g.alert)
	case g.phase != firing:
		return changed
	case !g.told && !t.limiter.allow(e.now):
		if !g.held {
			g.held = true
			e.suppressed++
		}
		return changed
	case !g.told, e.options.Resend > 0 && e.now-g.sent >= uint64(e.options.Resend):
		g.told, g.sent = true, e.now
		g.alert = e.alert(t, g)
		return append(changed, g.alert)
	}
	return changed
}

// alert writes down an instance that fires.
func (e *Engine) alert(t *tracker, g *group) Alert {
	a := Alert{
		Rule: t.Name, Status: Firing, Labels: map[string]string{}, Annotations: map[string]string{},
		Value: g.value, StartsAt: e.wall(g.began), Lost: g.instance.lost, Top: g.top.top(),
	}
	data := templateData{Labels: map[string]string{}, Value: g.value}
	for i, name := range t.By {
		data.Labels[name] = g.values[i]
	}
	maps.Copy(data.Labels, t.Labels)
	for name, value := range data.Labels {
		if value != "" {
			a.Labels[name] = value
		}
	}
	for name, text := range t.templates {
		if filled, err := fill(text, data); err == nil { // it was tried when it was read
			a.Annotations[name] = filled
		}
	}
	a.incomplete()
	return a
}

// resolve writes down an instance that has ended: as it was last told, with what
// has become known since.
func (e *Engine) resolve(t *tracker, g *group) Alert {
	a := g.alert
	a.Status, a.EndsAt, a.Value, a.Lost = Resolved, e.wall(e.now), g.value, g.instance.lost
	a.Annotations = maps.Clone(a.Annotations)
	a.incomplete()
	if t.subject.ofEvents() && len(g.top) > 0 {
		a.Top = g.top.top()
	}
	return a
}

// incomplete says of an alert whose window has a hole that it has.
func (a *Alert) incomplete() {
	if a.Lost > 0 {
		a.Annotations["completeness"] = strconv.FormatUint(a.Lost, 10) + " events lost in its window: it rests on less than all that happened"
	}
}

func (e *Engine) wall(mono uint64) time.Time { return e.options.Booted.Add(time.Duration(mono)) }
