package waits

import (
	"cmp"
	"math"
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// By is what sockets are grouped by, beside their network namespace.
type By uint8

const (
	ByDefault   By = iota // the process, and the listener or else the peer
	ByPID                 // the process
	ByComm                // the name of the process
	ByContainer           // its container
	ByListener            // the local port, where somebody listens on it
	ByPeer                // the peer's address and port; of a client of ours the address
)

var byNames = [...]string{"", "pid", "comm", "container", "listener", "peer"}

// ParseBy returns the By that --by names.
func ParseBy(s string) (By, bool) {
	i := slices.Index(byNames[1:], s)
	return By(i + 1), i >= 0
}

// ByNames lists what ParseBy knows.
func ByNames() []string { return byNames[1:] }

// Key says what the sockets of a group have in common; what they need not have in
// common is left zero.
type Key struct {
	Netns      uint32
	PID        uint32
	Provenance events.Provenance
	Kind       Kind
	Family     events.Family
	Lport      uint16 // of a listener, 0 for none
	Rport      uint16
	Raddr      [16]byte
	Comm       [16]byte
	Container  string
}

// MaxFDs is how many descriptors of a group are listed; the rest is counted.
const MaxFDs = 16

// Group is a number of sockets with something in common.
type Group struct {
	Section Section
	Key     Key
	Count   int
	Ages    int     // sockets of which the age is known
	Oldest  int64   // ns, -1 if no age is known
	Median  int64   // ns, of those known
	AtLeast bool    // the ages are lower bounds
	Newer   int     // sockets that are in their state for a minute or less, as far as is known
	Rate    float64 // sockets more per minute, NaN if not measured
	Unread  uint64  // bytes received and not read
	Again   uint64  // segments sent again, for the sockets as they are
	FDs     []int32 // the lowest
	Holding int     // descriptors in all
	Example Example
	// Stack is the one that most of the sockets were connected or accepted at, and
	// Stacked how many those are.
	Stack     Stack
	StackSeen uint64 // ns since boot, when Stack.PID was certainly that process's
	Stacked   int
	Frames    []string // of Stack, where somebody named them

	// Other is what the other ends are of those that this host has.
	Other Other

	ages   []int64
	stacks map[Stack]tally
}

// tally is how many sockets have a stack, and when the owner of one was seen.
type tally struct {
	n    int
	seen uint64
}

// Stack is a stack of a process.
type Stack struct {
	PID    uint32
	Number uint32 // events.Event.Stack
}

// Example is one socket of a group: the oldest.
type Example struct {
	Cookie        uint64
	Local, Remote [16]byte
	Lport, Rport  uint16
	Family        events.Family
	Age           int64 // ns in its state, -1 if nothing tells
	AtLeast       bool  // Age is a lower bound
	FD            int32 // one that refers to it, -1 if none is known
	ID            uint64
	Received      int64          // ns since data last came, -1 for never, or not known
	Sent          int64          // ns since data last went
	Holders       []events.Owner // all fds, where they were asked for, and there are several
	History       []track.Step   // nil if it was not watched, or nobody asked
}

const minute = int64(60e9)

func (g *Group) add(e *entry) {
	g.Count++
	g.Unread += uint64(e.unread)
	g.Again += uint64(e.again)
	if e.fd >= 0 && e.provenance == events.ProvenanceExact {
		g.Holding += int(e.holding)
		g.FDs = append(g.FDs, e.fd)
	}
	if g.Count == 1 || e.age > g.Oldest {
		g.Example = Example{
			Cookie: e.cookie, Local: e.saddr, Remote: e.daddr, Lport: e.lport, Rport: e.rport, Family: e.family, FD: e.fd, ID: e.id, Age: e.age, AtLeast: e.atLeast,
			Received: e.received, Sent: e.sent, Holders: e.holders,
		}
	}
	if e.stack != 0 {
		if g.stacks == nil {
			g.stacks = map[Stack]tally{}
		}
		k := Stack{PID: e.pid, Number: e.stack}
		g.stacks[k] = tally{g.stacks[k].n + 1, e.ownerSeen}
	}
	if e.age < 0 {
		return
	}
	g.ages = append(g.ages, e.age)
	g.AtLeast = g.AtLeast || e.atLeast
	g.Oldest = max(g.Oldest, e.age)
	if e.age <= minute {
		g.Newer++
	}
}

// finish works out what needs all of the group.
func (g *Group) finish() {
	g.Ages = len(g.ages)
	g.Median = -1
	if g.Ages > 0 {
		slices.Sort(g.ages)
		g.Median = g.ages[g.Ages/2]
	}
	g.ages = nil
	for s, t := range g.stacks {
		if t.n > g.Stacked || t.n == g.Stacked && cmp.Or(cmp.Compare(s.PID, g.Stack.PID), cmp.Compare(s.Number, g.Stack.Number)) < 0 {
			g.Stack, g.Stacked, g.StackSeen = s, t.n, t.seen
		}
	}
	g.stacks = nil
	slices.Sort(g.FDs)
	g.FDs = slices.Clip(slices.Clone(g.FDs[:min(len(g.FDs), MaxFDs)]))
}

// keyOf returns what e is grouped by. listens says whether somebody listens on
// its local port.
func keyOf(e *entry, by By, listens bool) Key {
	k := Key{Netns: e.netns, Kind: kindOf(e)}
	process := func() {
		k.PID, k.Comm, k.Provenance = e.pid, e.comm, e.provenance
	}
	peer := func() {
		k.Family, k.Raddr = e.family, e.daddr
		if !listens {
			k.Rport = e.rport
		}
	}
	switch by {
	case ByPID:
		process()
	case ByComm:
		k.Comm, k.Provenance = e.comm, e.provenance
	case ByContainer:
		if e.process != nil {
			k.Container = e.process.Container
		}
	case ByListener:
		if listens {
			k.Lport = e.lport
		}
	case ByPeer:
		peer()
	default:
		process()
		if listens {
			k.Lport = e.lport
		} else {
			peer()
		}
	}
	return k
}

// byCount orders groups, the largest first.
func byCount(a, b *Group) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(b.Oldest, a.Oldest), cmp.Compare(a.Key.PID, b.Key.PID),
		cmp.Compare(a.Key.Netns, b.Key.Netns), cmp.Compare(a.Key.Lport, b.Key.Lport), cmp.Compare(a.Key.Rport, b.Key.Rport),
		slices.Compare(a.Key.Raddr[:], b.Key.Raddr[:]))
}

// unmeasured is the Rate that nobody measured.
func unmeasured() float64 { return math.NaN() }
