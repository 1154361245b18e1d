package explore

import (
	"fmt"
	"strings"
)

// String tells how the step under way came about, one line for each step.
func (t *turn) String() string {
	steps := []step{t.step}
	for i := t.from; i > 0; i = t.x.nodes[i].from {
		n := &t.x.nodes[i]
		if n.mirrored { // what came later, came to the other end
			for j := range steps {
				steps[j].me = 1 - steps[j].me
			}
		}
		steps = append(steps, n.by)
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "\n\t%c: %s", 'A'+steps[i].me, steps[i])
	}
	return b.String()
}

func (s step) String() string {
	if s.action != "" {
		return s.action
	}
	return "gets " + s.got.String()
}

func (g segment) String() string {
	var b strings.Builder
	for i, name := range [...]string{"SYN", "FIN", "RST", "ACK"} {
		if g.has(1 << i) {
			b.WriteString(name + " ")
		}
	}
	fmt.Fprintf(&b, "seq %d", g.seq)
	if g.has(ack) {
		fmt.Fprintf(&b, " ack %d", g.ack)
	}
	if g.length > 0 {
		fmt.Fprintf(&b, " len %d", g.length)
	}
	return b.String()
}
