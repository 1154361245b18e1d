package metrics

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/tcpwatch/tcpwatch/model"
)

// groups tells the processes with the most sockets apart, by name. One that is shown
// stays until it has none: series that come and go are of no use.
type groups struct {
	max   int
	shown map[[16]byte]bool
}

// byState are the sockets of one group.
type byState [model.NumStates]int

func (b *byState) total() (n int) {
	for _, k := range b {
		n += k
	}
	return n
}

func (g *groups) collect(e emitter, p *picture) {
	if g.max == 0 {
		return
	}
	all := p.byComm
	g.choose(all)
	var other byState
	for comm, n := range all {
		if g.shown[comm] {
			emitGroup(e, name(comm), n)
			continue
		}
		for s, k := range n {
			other[s] += k
		}
	}
	emitGroup(e, otherName, &other)
}

// otherName is of all that is not shown; a process cannot have it for itself.
const otherName = "_other"

// name is a comm as the kernel holds it; emitter makes it visible.
func name(comm [16]byte) string { return string(bytes.TrimRight(comm[:], "\x00")) }

func emitGroup(e emitter, name string, n *byState) {
	for s, k := range n {
		if k > 0 {
			e.gauge(groupSockets, float64(k), name, stateName(model.State(s)))
		}
	}
}

// cut clears what follows the first NUL: it is no part of the name.
func cut(comm [16]byte) [16]byte {
	if i := slices.Index(comm[:], 0); i >= 0 {
		clear(comm[i:])
	}
	return comm
}

// choose lets those go that have no sockets left, and takes the largest of the others
// for the room there is.
func (g *groups) choose(all map[[16]byte]*byState) {
	if g.shown == nil {
		g.shown = map[[16]byte]bool{}
	}
	for comm := range g.shown {
		if all[comm] == nil {
			delete(g.shown, comm)
		}
	}
	var others [][16]byte
	for comm := range all {
		if !g.shown[comm] && comm != [16]byte{} && name(comm) != otherName {
			others = append(others, comm)
		}
	}
	slices.SortFunc(others, func(a, b [16]byte) int {
		return cmp.Or(cmp.Compare(all[b].total(), all[a].total()), slices.Compare(a[:], b[:]))
	})
	for _, comm := range others[:min(len(others), max(g.max-len(g.shown), 0))] {
		g.shown[comm] = true
	}
}
