// Package waits tells what builds up on a host: sockets that wait for somebody,
// by who is to act, and how near a namespace is to the end of its ports. It reads
// inventories, of the kernel or of a table.
package waits

import (
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Options of a Collector.
type Options struct {
	By By
	// Top is how many groups of a section are listed; 0 is all. The rest is counted.
	Top int
	// Settings returns those of a network namespace, nil if they cannot be read.
	Settings func(netns uint32) *Settings
	// NAT returns which connections have other addresses at their two ends, and whether
	// that is known of a network namespace; nil knows nothing. It is asked for the own
	// namespace (0), and for those in which somebody waits. Where it is not known, no end
	// is said to have lost the other.
	NAT func(netns uint32) (all []Translation, known bool)
	// Bound returns the ports of a network namespace that are only bound, and whether
	// that is known (Linux 6.8). It is asked for the namespaces whose connections take
	// ports, the most pressing first.
	Bound func(netns uint32) (ports []uint16, known bool)
}

// Collector is a Sink of one inventory, out of which it makes a Report.
type Collector struct {
	options   Options
	chunks    [][]entry // all of chunkSize, but for the last
	unasked   []entry   // other ends that the user did not ask for
	listening map[door]*Listener
	order     []*Listener
}

// chunkSize is how many entries are allocated at once: growing a slice would copy
// what a million sockets take.
const chunkSize = 4096

// door is where somebody listens.
type door struct {
	netns uint32
	port  uint16
}

// New returns a Collector of nothing yet.
func New(o Options) *Collector { return &Collector{options: o, listening: map[door]*Listener{}} }

// Observe implements track.Sink.
func (c *Collector) Observe(o *track.Observation) {
	switch {
	case o.Event.Kind != events.Inventory:
	case o.Event.To == model.Listen:
		c.listens(o)
	default:
		c.keep(entryOf(o))
	}
}

// Other takes a socket that the user did not ask for: the other end of one that he
// did ask for may be it.
func (c *Collector) Other(o *track.Observation) {
	if o.Event.Kind == events.Inventory && o.Event.To != model.Listen && o.Event.To != model.TimeWait {
		c.unasked = append(c.unasked, entryOf(o))
	}
}

func (c *Collector) keep(e entry) {
	n := len(c.chunks)
	if n == 0 || len(c.chunks[n-1]) == chunkSize {
		c.chunks = append(c.chunks, make([]entry, 0, chunkSize))
		n++
	}
	c.chunks[n-1] = append(c.chunks[n-1], e)
}

func (c *Collector) all(yield func(*entry) bool) {
	for _, chunk := range c.chunks {
		for i := range chunk {
			if !yield(&chunk[i]) {
				return
			}
		}
	}
}

// Report is what waits at one moment.
type Report struct {
	Time      uint64 // ns since boot
	Sockets   int    // looked at, listeners with them
	Sections  [NumSections]Part
	Listeners []Listener // that somebody waits for, or whose namespace counted overflows
	Pressure  []Pressure // the highest first
	Spaces    []Space
}

// Part is one section of a Report.
type Part struct {
	Section Section
	Count   int
	Groups  []Group // the largest first
	More    int     // groups left out for Options.Top
	Rest    int     // sockets in them
	Advice  string
}

// Report works out what the inventory, taken at time (ns since boot), says.
func (c *Collector) Report(time uint64) *Report {
	r := &Report{Time: time, Sockets: len(c.order)}
	groups := map[groupKey]*Group{}
	ports := ports{}
	spaces := c.spaces()
	others := c.otherEnds()
	for e := range c.all {
		if s := spaces[e.netns].Settings; s != nil && kindOf(e) == KindMini && e.age < 0 {
			e.age = max(0, s.FinTimeout-e.remaining)
		}
		r.Sockets++
		listens := c.listening[door{e.netns, e.lport}] != nil
		if !listens && e.state != model.Close {
			ports.add(e)
		}
		section, ok := sectionOf(e)
		other := others.of(e)
		if other.oneSided() {
			section, ok = HalfOpen, true
		}
		if !ok {
			continue
		}
		k := groupKey{section, keyOf(e, c.options.By, listens)}
		g := groups[k]
		if g == nil {
			g = &Group{Section: section, Key: k.Key, Oldest: -1, Rate: unmeasured()}
			groups[k] = g
		}
		g.add(e)
		g.meets(&other)
	}
	r.Pressure = ports.pressure(spaces, c.listening)
	c.lessBound(r.Pressure, spaces)
	r.Listeners = c.waitedFor()
	for s := range r.Sections {
		r.Sections[s] = part(Section(s), groups)
	}
	for _, s := range spaces {
		r.Spaces = append(r.Spaces, *s)
	}
	slices.SortFunc(r.Spaces, func(a, b Space) int { return int(int64(a.Netns) - int64(b.Netns)) })
	r.advise()
	r.Limit(c.options.Top)
	return r
}

// Limit leaves out all but the first top groups of each kind, and counts them; 0
// leaves out none.
func (r *Report) Limit(top int) {
	if top == 0 {
		return
	}
	for s := range r.Sections {
		p := &r.Sections[s]
		for i := top; i < len(p.Groups); i++ {
			p.More++
			p.Rest += p.Groups[i].Count
		}
		p.Groups = p.Groups[:min(len(p.Groups), top)]
	}
	r.Pressure = r.Pressure[:min(len(r.Pressure), top)]
	r.Listeners = r.Listeners[:min(len(r.Listeners), top)]
}

// Leaks yields the groups that hold on to connections which are over, or half so:
// those of which it is asked where they come from.
func (r *Report) Leaks(yield func(*Group) bool) {
	for _, s := range []Section{CloseWait, Held} {
		groups := r.Sections[s].Groups
		for i := range groups {
			if !yield(&groups[i]) {
				return
			}
		}
	}
}

type groupKey struct {
	Section
	Key
}

func part(s Section, groups map[groupKey]*Group) Part {
	p := Part{Section: s}
	var all []*Group
	for k, g := range groups {
		if k.Section == s {
			all = append(all, g)
			p.Count += g.Count
		}
	}
	slices.SortFunc(all, byCount)
	for _, g := range all {
		g.finish()
		p.Groups = append(p.Groups, *g)
	}
	return p
}
