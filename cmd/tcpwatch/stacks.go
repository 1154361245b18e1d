package main

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/symbols"
	"github.com/tcpwatch/tcpwatch/internal/waits"
)

// stackNames names stacks, each once.
type stackNames struct {
	session  *session
	owners   *owners
	resolver *symbols.Resolver
	known    map[waits.Stack][]string
}

// maxStackNames bounds what is remembered.
const maxStackNames = 1024

// of names the frames of a stack, the innermost first. Its addresses mean something
// only while the process, which had its pid at the time seen, is there.
func (n *stackNames) of(s *waits.Stack, seen uint64) []string {
	if names, ok := n.known[*s]; ok {
		return names
	}
	addresses, err := n.session.probe.Stack(s.Number)
	if err != nil || len(addresses) == 0 {
		return nil
	}
	if n.known == nil || len(n.known) >= maxStackNames {
		n.resolver, n.known = symbols.New(""), map[waits.Stack][]string{}
	}
	owner := events.Owner{PID: s.PID, Seen: seen, FD: -1, Provenance: events.ProvenanceExact}
	var names []string
	if n.owners.look(&owner) == nil {
		names = []string{"(the process has ended: its addresses have no names)"}
	} else {
		frames := n.resolver.Frames(s.PID, addresses)
		for i := range frames {
			names = append(names, frames[i].String())
		}
	}
	n.known[*s] = names
	return names
}
