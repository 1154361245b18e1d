package explore

import (
	"fmt"

	"github.com/tcpwatch/tcpwatch/model"
)

// Bounds say how far to explore.
type Bounds struct {
	Lives    number // connections that each end may begin
	Data     number // bytes that each end may send on one
	FastOpen bool   // TCP Fast Open (RFC 7413)
	Windows  bool   // windows that shut and open
	Memory   bool   // orphans that the kernel has no memory for
}

// Watcher is told of everything that can happen. at prints how it comes about, the
// shortest way.
type Watcher interface {
	// Transition is one event of the tracepoint, and what the model made of it.
	Transition(at fmt.Stringer, from, to model.State, j model.Judgement)
	// End is the end of a life: the truth, and all that can be known of it.
	End(at fmt.Stringer, fate Fate, e *model.Ending)
	// Wrong is numbers that the model has read wrongly.
	Wrong(at fmt.Stringer, n model.Numbers)
	// Pair is the states of the two ends of one connection at one instant.
	Pair(a, b model.State)
}

// Counts is how much there was to explore.
type Counts struct {
	States   int // of both ends, what the model knows of them, and what they have sent
	Ends     int // that differ
	Segments int // that differ
	Steps    int // from one state to another
}

// Explorer is an exploration under way.
type Explorer struct {
	bounds   Bounds
	watch    Watcher
	alphabet alphabet
	ends     catalogue
	nodes    []node
	byEnds   map[[2]int][]int // the nodes with these ends; none has more on the wire than another
	counts   Counts
}

// node is a state of the whole, and how it was first reached.
type node struct {
	ends [2]int     // their numbers in the catalogue
	sent [2]channel // what each has sent

	from     int // the node before, -1 for none
	by       step
	mirrored bool // its ends have changed places since
	outdone  bool // another has the same ends, and more on the wire
}

// step is what an end did: an action, or a segment that arrived.
type step struct {
	me     int
	action string
	got    segment
}

// holds reports whether everything on m's wire is on n's, too.
func (n *node) holds(m *node) bool {
	return n.sent[0].holds(&m.sent[0]) && n.sent[1].holds(&m.sent[1])
}

// Explore tries everything within bounds, in the order of the number of steps.
func Explore(b Bounds, w Watcher) Counts {
	x := &Explorer{
		bounds: b, watch: w, byEnds: map[[2]int][]int{},
		alphabet: alphabet{places: map[segment]int{}}, ends: catalogue{numbers: map[end]int{}},
	}
	nothing := x.ends.number(end{})
	x.reach(node{ends: [2]int{nothing, nothing}, from: -1}, [2]channel{})
	for i := 0; i < len(x.nodes); i++ {
		if !x.nodes[i].outdone {
			x.counts.States++
			x.expand(i)
		}
	}
	x.counts.Segments, x.counts.Ends = len(x.alphabet.segments), len(x.ends.entries)
	return x.counts
}

// expand makes every step that either end can make.
func (x *Explorer) expand(from int) {
	for me := range 2 {
		n := &x.nodes[from]
		mine, sent := n.ends[me], n.sent[1-me]
		for _, o := range x.byItself(from, me, mine) {
			x.apply(from, me, o)
		}
		sent.each(func(place int) {
			for _, o := range x.onSegment(from, me, mine, place) {
				x.apply(from, me, o)
			}
		})
	}
}

// apply lets one end do what it can.
func (x *Explorer) apply(from, me int, o *outcome) {
	before := &x.nodes[from]
	other := x.ends.entries[before.ends[1-me]].opened
	for _, mine := range o.stored {
		x.pair(mine, other)
	}
	x.pair(x.ends.entries[o.to].opened, other)
	if o.to == before.ends[me] {
		return // all that it could send is on the wire
	}
	x.counts.Steps++
	n := node{ends: before.ends, sent: before.sent, from: from, by: o.step}
	n.by.me = me
	n.ends[me] = o.to
	n.sent[me].addAll(&o.sent)
	answered := before.sent // by ends that are what they were
	answered[1-me] = channel{}
	x.reach(n, answered)
}

// pair tells which states two ends are in: of one connection, or each of one of which
// the other has nothing.
func (x *Explorer) pair(a, b opened) {
	if sameConnection(a, b) {
		if !a.believes(b) || !b.believes(a) {
			panic(fmt.Sprintf("BUG: two ends of one connection disagree: %+v, %+v", a, b))
		}
		x.watch.Pair(a.state, b.state)
		return
	}
	x.watch.Pair(a.state, model.Close)
	x.watch.Pair(model.Close, b.state)
}
