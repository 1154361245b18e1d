package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/model"
)

type modelOptions struct {
	output string
	width  int // of the terminal, 0 if there is none
}

func newModelCommand(e *env) *cobra.Command {
	var o modelOptions
	cmd := &cobra.Command{
		Use:   "model",
		Short: "The TCP state machine that sockets are checked against",
		Long: `Prints every transition that a correct Linux kernel makes: those of RFC 9293
figure 5 (rfc), those in the text of the RFC (rfc-text) and those that Linux
adds (linux). Any other transition is reported as impossible.`,
		Example: `  tcpwatch model
  tcpwatch model -o dot | dot -Tsvg > machine.svg
  tcpwatch model -o json | jq '.edges[] | select(.verdict == "notable")'`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if width, ok := e.terminal(e.stdout); ok {
				o.width = width
			}
			return runModel(e.stdout, &o)
		},
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "how to print: table, mermaid, dot or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "mermaid", "dot", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// noArguments is cobra.NoArgs with the exit code of a usage error.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func runModel(w io.Writer, o *modelOptions) error {
	switch o.output {
	case "table":
		return writeModelTable(w, o.width)
	case "mermaid":
		return model.Mermaid(w)
	case "dot":
		return model.Dot(w)
	case "json":
		return model.JSON(w)
	}
	return usagef("unknown output %q: table, mermaid, dot or json", o.output)
}

// modelColumn is one column of the table. Those that do not fit a terminal
// are left out, the one of the highest rank first.
type modelColumn struct {
	title string
	rank  int // 0: always there
	wraps int // narrowest width its text may be wrapped to, 0: not wrapped
	value func(*model.Edge) string
}

var modelColumns = []modelColumn{
	{"FROM", 0, 0, func(e *model.Edge) string { return e.From.String() }},
	{"TO", 0, 0, func(e *model.Edge) string { return e.To.String() }},
	{"ORIGIN", 2, 0, func(e *model.Edge) string { return e.Origin.String() }},
	{"CAUSE", 3, 8, func(e *model.Edge) string { return strings.Join(e.By.Names(), ", ") }},
	{"VERDICT", 1, 0, func(e *model.Edge) string { return e.Verdict.String() }},
	{"RULE", 0, 0, func(e *model.Edge) string { return e.Name }},
	{"SECTION", 5, 20, func(e *model.Edge) string { return e.Section }},
	{"WHY", 4, 24, func(e *model.Edge) string { return e.Why }},
}

const columnGap = 2

// fitColumns chooses the columns for a terminal and the width of each. The
// last column that wraps takes what room is left.
func fitColumns(edges []model.Edge, width int) ([]modelColumn, []int) {
	columns := append([]modelColumn(nil), modelColumns...)
	for {
		widths, total := make([]int, len(columns)), 0
		for i, c := range columns {
			if widths[i] = c.wraps; c.wraps == 0 || width == 0 {
				widths[i] = naturalWidth(edges, &c)
			}
			total += widths[i] + columnGap
		}
		total -= columnGap
		if width == 0 {
			return columns, widths
		}
		if total <= width {
			for i := len(columns) - 1; i >= 0; i-- {
				if columns[i].wraps > 0 {
					more := min(width-total, naturalWidth(edges, &columns[i])-widths[i])
					widths[i] += more
					total += more
				}
			}
			return columns, widths
		}
		drop := 0
		for i, c := range columns {
			if c.rank > columns[drop].rank {
				drop = i
			}
		}
		if columns[drop].rank == 0 {
			return columns, widths // narrower than any table
		}
		columns = append(columns[:drop], columns[drop+1:]...)
	}
}

func naturalWidth(edges []model.Edge, c *modelColumn) int {
	width := len(c.title)
	for i := range edges {
		width = max(width, len(c.value(&edges[i])))
	}
	return width
}

func writeModelTable(w io.Writer, width int) error {
	edges := model.Edges()
	columns, widths := fitColumns(edges, width)

	t := table.NewWriter()
	t.SuppressTrailingSpaces()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  " // columnGap
	t.SetStyle(style)

	var header table.Row
	var configs []table.ColumnConfig
	for i, c := range columns {
		header = append(header, c.title)
		if c.wraps > 0 && width > 0 {
			configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMax: widths[i], WidthMaxEnforcer: text.WrapSoft})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for i := range edges {
		var row table.Row
		for _, c := range columns {
			row = append(row, c.value(&edges[i]))
		}
		t.AppendRow(row)
	}
	if _, err := fmt.Fprintln(w, t.Render()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}
