package view

import (
	"fmt"
	"strings"

	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/model"
)

// fewLeaks is of how many groups an example is told, unless all is asked for.
const fewLeaks = 3

// leaks tells where the sockets of a section come from: for each group, one
// example, and the stack that most were opened at.
func (v *Waits) leaks(b *strings.Builder, p *waits.Part) {
	for i := range p.Groups {
		if i == fewLeaks && !v.Wide {
			return
		}
		v.example(b, p, &p.Groups[i])
		stack(b, &p.Groups[i])
	}
}

func (v *Waits) example(b *strings.Builder, p *waits.Part, g *waits.Group) {
	x := &g.Example
	fmt.Fprintf(b, "  e.g. %s", tuple(x))
	if x.FD >= 0 {
		fmt.Fprintf(b, ", fd %d", x.FD)
	}
	ago := func(what string, ns int64, least string) string {
		if ns < 0 {
			return ""
		}
		return "; " + what + " " + least + Duration(ns) + " ago"
	}
	least := ""
	if x.AtLeast {
		least = "≥ "
	}
	what := "the peer's FIN came"
	if p.Section == waits.Held {
		what = "it ended"
	}
	text := ago(what, x.Age, least) + ago("data last came", x.Received, "") + ago("data last went", x.Sent, "")
	b.WriteString(strings.Replace(text, ";", ":", 1))
	b.WriteByte('\n')
	if len(x.History) > 0 {
		fmt.Fprintf(b, "       %s\n", pathOf(x.History, x.Age))
	}
	if len(x.Holders) > 0 {
		fmt.Fprintf(b, "       held by %s\n", holdersOf(x))
	}
}

// pathOf tells a history on one line.
func pathOf(steps []track.Step, age int64) string {
	var parts []string
	for i := range steps {
		part := steps[i].State.String()
		switch {
		case steps[i].Time == 0 || steps[i].State == model.Close:
		case i+1 < len(steps):
			part += " " + Duration(int64(steps[i+1].Time-steps[i].Time))
		case age >= 0:
			part += " " + Duration(age) + " so far"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func holdersOf(x *waits.Example) string {
	const most = 4
	var all []string
	for i := range x.Holders[:min(len(x.Holders), most)] {
		h := &x.Holders[i]
		all = append(all, fmt.Sprintf("%s fd %d", Owner(h), h.FD))
	}
	if n := len(x.Holders) - most; n > 0 {
		all = append(all, fmt.Sprintf("… and %d more", n))
	}
	return strings.Join(all, ", ")
}

// stack tells where in their program most of a group were opened.
func stack(b *strings.Builder, g *waits.Group) {
	if g.Frames == nil {
		return
	}
	opened := "opened"
	switch {
	case g.Key.Lport != 0:
		opened = "accepted"
	case g.Key.Rport != 0:
		opened = "connected"
	}
	fmt.Fprintf(b, "  %d of %d %s at\n", g.Stacked, g.Count, opened)
	for _, frame := range g.Frames {
		fmt.Fprintf(b, "       %s\n", printable.String(frame))
	}
}
