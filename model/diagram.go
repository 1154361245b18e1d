package model

import (
	"bufio"
	"fmt"
	"io"
)

// Mermaid writes the machine as a Mermaid stateDiagram-v2. Where a full socket
// hands over to a mini-socket, TIME_WAIT is drawn, which it never stores.
func Mermaid(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "stateDiagram-v2")
	fmt.Fprintln(b, "    [*] --> CLOSE")
	for i := range edges {
		e := &edges[i]
		fmt.Fprintf(b, "    %s --> %s: %s\n", e.From, e.To, e.Name)
	}
	for i := range edges {
		if edges[i].HandOver {
			fmt.Fprintf(b, "    %s --> TIME_WAIT: hand-over to a mini-socket\n", edges[i].From)
		}
	}
	fmt.Fprintln(b, "    TIME_WAIT --> [*]: after 60 s")
	fmt.Fprintln(b, "    note right of TIME_WAIT: a mini-socket, the full socket goes to CLOSE")
	return flush(b, "mermaid")
}

// Dot writes the machine in the language of Graphviz: arrows of RFC 9293
// figure 5 solid, those of its text dashed, those of Linux dotted; what is
// notable is orange.
func Dot(w io.Writer) error {
	styles := [...]string{OriginRFC: "solid", OriginText: "dashed", OriginLinux: "dotted"}
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "digraph tcp {")
	fmt.Fprintln(b, "\tnode [shape=box, style=rounded];")
	fmt.Fprintln(b, "\tTIME_WAIT [style=\"rounded,dashed\", label=\"TIME_WAIT\\n(mini-socket)\"];")
	for i := range edges {
		e := &edges[i]
		color := ""
		if e.Verdict == Notable {
			color = ", color=orange"
		}
		fmt.Fprintf(b, "\t%s -> %s [label=%q, style=%s%s];\n", e.From, e.To, e.Name, styles[e.Origin], color)
	}
	for i := range edges {
		if edges[i].HandOver {
			fmt.Fprintf(b, "\t%s -> TIME_WAIT [label=\"hand-over\", style=bold];\n", edges[i].From)
		}
	}
	fmt.Fprintln(b, "}")
	return flush(b, "dot")
}

func flush(b *bufio.Writer, what string) error {
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}
