package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/internal/filter"
)

// newFilterTopic is the help topic about FILTER: tcpwatch help filter.
func newFilterTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "filter",
		Short: "The FILTER language, and the fields it knows",
		Long: `A FILTER is a yes-or-no question about each line, over the fields of the JSON
output. Text compares with == != contains startsWith matches in, numbers with
== != < <= > >=, and questions join with and, or, not. Two functions help:
cidr(laddr, "10.0.0.0/8") and duration("1m30s"), which is in ns. A number that
is not known is -1, a text that is not known is empty.

  to == "CLOSE_WAIT" and owner.comm == "nginx"
  event == "closed" and verdict in ["abnormal", "impossible"]
  in_state_ns > duration("10s") or rport in [80, 443]
  cidr(raddr, "192.0.2.0/24") and not (owner.provenance == "unknown")

Fields:

` + columns(filter.Names(), 76),
	}
}

// columns sets words in lines of at most width.
func columns(words []string, width int) string {
	var b strings.Builder
	line := " "
	for _, w := range words {
		if len(line)+1+len(w) > width {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + w
	}
	b.WriteString(line)
	return b.String()
}
