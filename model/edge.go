package model

import "strings"

// Edge is one row of the machine: a transition a correct kernel makes.
type Edge struct {
	From, To State
	Origin   Origin
	By       Cause
	Verdict  Verdict // of the edge by itself; the reason for an end is judged by Ending
	Name     string  // the name of its rule: unique, public, stable
	Section  string  // of the RFC, or the Linux function that adds the edge
	Kernel   string  // where Linux makes it
	Why      string  // one sentence for a person
	Seen     string  // how it is known to happen
	Birth    bool    // begins a life
	HandOver bool    // normally hands over to a TIME_WAIT or FIN_WAIT2 mini-socket
}

// Origin says where an edge comes from.
type Origin uint8

const (
	OriginRFC   Origin = iota // an arrow of RFC 9293 figure 5
	OriginText                // in the text of RFC 9293 only: RST, ABORT, timeouts
	OriginLinux               // a refinement of Linux
)

var originNames = [...]string{"rfc", "rfc-text", "linux"}

// String returns rfc, rfc-text or linux.
func (o Origin) String() string {
	if int(o) < len(originNames) {
		return originNames[o]
	}
	return unknownNames[o]
}

// Cause is the set of things that can bring an edge about.
type Cause uint8

const (
	ByCall    Cause = 1 << iota // a system call of the application
	BySegment                   // a segment, or an ICMP message, arrived
	ByTimer                     // a timer ran out
	ByKernel                    // the kernel by itself, or an administrator through it
)

var causeNames = [...]string{"call", "segment", "timer", "kernel"}

// Names returns the names of the causes in c.
func (c Cause) Names() []string {
	var names []string
	for i, name := range causeNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names joined by commas.
func (c Cause) String() string { return strings.Join(c.Names(), ",") }

// Rule returns the rule that is this edge.
func (e *Edge) Rule() Rule { return edgeRule(edgeIndex[e.From][e.To]) }

// edgeIndex holds, for every pair of states, one more than the place of its
// edge in the table, or 0.
var edgeIndex = func() (index [NumStates][NumStates]uint8) {
	for i := range edges {
		index[edges[i].From][edges[i].To] = uint8(i + 1)
	}
	return index
}()

// Edges returns the whole table, in the order in which a life goes.
func Edges() []Edge { return append([]Edge(nil), edges[:]...) }

// Lookup finds the edge between two states. The Edge is the table's own: it
// must not be changed.
func Lookup(from, to State) (*Edge, bool) {
	if from >= NumStates || to >= NumStates || edgeIndex[from][to] == 0 {
		return nil, false
	}
	return &edges[edgeIndex[from][to]-1], true
}
