package explore

import "github.com/tcpwatch/tcpwatch/model"

// catalogue numbers the ends that were met, and knows what each can do: that does not
// depend on the other end but by segments.
type catalogue struct {
	entries []entry
	numbers map[end]int
}

// entry is one end.
type entry struct {
	end    end
	opened opened

	tried    bool       // itself is known
	itself   []*outcome // of calls and accidents
	answered [len(channel{}) * 64]*[]*outcome
}

// outcome is what can come of a step.
type outcome struct {
	step
	to     int     // what the end is then
	sent   channel // what it sent
	stored []opened
}

// number returns an end's place, a new one for a new end.
func (c *catalogue) number(e end) int {
	n, ok := c.numbers[e]
	if !ok {
		n = len(c.entries)
		c.entries = append(c.entries, entry{end: e, opened: e.opened()})
		c.numbers[e] = n
	}
	return n
}

// over reports whether the end has ended, and may begin nothing any more. A listener
// may still close, and then answers otherwise.
func (e *entry) over(b *Bounds) bool {
	return e.opened.state == model.Close && !e.end.listening && e.end.lives == b.Lives
}

// byItself returns what an end can do without a segment. from and me say where it was
// met first.
func (x *Explorer) byItself(from, me, number int) []*outcome {
	if e := &x.ends.entries[number]; e.tried {
		return e.itself
	}
	var all []*outcome
	for _, actions := range [...][]action{calls[:], accidents[:]} {
		for i := range actions {
			all = append(all, x.try(from, number, step{me: me, action: actions[i].name}, actions[i].do)...)
		}
	}
	e := &x.ends.entries[number]
	e.tried, e.itself = true, all
	return all
}

// onSegment returns what can come of a segment that arrives.
func (x *Explorer) onSegment(from, me, number, place int) []*outcome {
	if known := x.ends.entries[number].answered[place]; known != nil {
		return *known
	}
	g := x.alphabet.segments[place]
	all := x.try(from, number, step{me: me, got: g}, func(t *turn) bool { t.arrive(g); return true })
	x.ends.entries[number].answered[place] = &all
	return all
}

// try makes one step in every way in which it can go.
func (x *Explorer) try(from, number int, by step, do func(*turn) bool) (all []*outcome) {
	t := turn{step: by, x: x, from: from}
	for {
		t.e, t.sent, t.stored, t.at = x.ends.entries[number].end, channel{}, nil, 0
		if do(&t) {
			if t.sock().live() {
				t.checkNumbers()
			}
			all = append(all, &outcome{t.step, x.ends.number(t.e), t.sent, t.stored})
		}
		if !t.again() {
			return all
		}
	}
}
