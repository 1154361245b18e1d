package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/internal/suggest"
	"github.com/tcpwatch/tcpwatch/model"
)

type explainOptions struct {
	names  []string
	output string
	width  int // to fit lines to
}

func newExplainCommand(e *env) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain [NAME...]",
		Short: "A state, rule, verdict or close reason in plain words",
		Long: `Explains what tcpwatch prints: what a state, rule, verdict, close reason or
any other name means, what usually causes it, and what to do about it.
Without a name it lists them all.`,
		Example: `  tcpwatch explain CLOSE_WAIT
  tcpwatch explain reset_by_local_unread end-unread-data
  tcpwatch explain -o json`,
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			o.width = textWidth(e)
			return runExplain(e.stdout, &o)
		},
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "how to print: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// textWidth is the width that prose is easy to read in.
func textWidth(e *env) int {
	const comfortable = 80
	if width, ok := e.terminal(e.stdout); ok && width < comfortable {
		return max(width, 20)
	}
	return comfortable
}

func completeNames(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	for _, entry := range model.Entries() {
		if len(entry.Name) >= len(typed) && strings.EqualFold(entry.Name[:len(typed)], typed) {
			found = append(found, cobra.CompletionWithDesc(entry.Name, entry.Summary))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func runExplain(w io.Writer, o *explainOptions) error {
	if o.output != "text" && o.output != "json" {
		return usagef("unknown output %q: text or json", o.output)
	}
	entries := model.Entries()
	if len(o.names) > 0 {
		entries = entries[:0]
	}
	for _, name := range o.names {
		entry, ok := model.Explain(name)
		if !ok {
			return unknownName(name)
		}
		entries = append(entries, entry)
	}
	switch {
	case o.output == "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(entries); err != nil {
			return fmt.Errorf("write json: %w", err)
		}
		return nil
	case len(o.names) == 0:
		return listNames(w, entries, o.width)
	}
	b := bufio.NewWriter(w)
	for i, entry := range entries {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeEntry(b, &entry, o.width)
	}
	return flushText(b)
}

func unknownName(name string) error {
	var names []string
	for _, entry := range model.Entries() {
		names = append(names, entry.Name)
	}
	if near := suggest.Nearest(name, names); near != "" {
		return usagef("nothing is called %q; did you mean %s?", name, near)
	}
	return usagef("nothing is called %q; \"tcpwatch explain\" lists every name", name)
}

func writeEntry(b *bufio.Writer, e *model.Entry, width int) {
	fmt.Fprintf(b, "%s (%s)\n", e.Name, kindTitle(e.Kind, false))
	writeWrapped(b, e.Summary, width, "")
	b.WriteByte('\n')
	for paragraph := range strings.Lines(e.Text) {
		writeWrapped(b, paragraph, width, "")
	}
	b.WriteByte('\n')
	if e.Section != "" {
		writeWrapped(b, "Source: "+e.Section, width, "        ")
	}
	if len(e.See) > 0 {
		writeWrapped(b, "See:    "+strings.Join(e.See, ", "), width, "        ")
	}
}

// listNames prints every name under its kind, with its summary where a line
// has room for it.
func listNames(w io.Writer, entries []model.Entry, width int) error {
	b := bufio.NewWriter(w)
	kind, column := "", 0
	for i, e := range entries {
		if e.Kind != kind {
			if kind != "" {
				b.WriteByte('\n')
			}
			kind, column = e.Kind, 0
			for _, other := range entries[i:] {
				if other.Kind != kind {
					break
				}
				column = max(column, len(other.Name))
			}
			fmt.Fprintf(b, "%s\n", kindTitle(kind, true))
		}
		indent := strings.Repeat(" ", 2+column+2)
		if width-len(indent) < 24 { // no room beside the name: below it
			fmt.Fprintf(b, "  %s\n", e.Name)
			writeWrapped(b, "    "+e.Summary, width, "    ")
			continue
		}
		writeWrapped(b, fmt.Sprintf("  %-*s  %s", column, e.Name, e.Summary), width, indent)
	}
	return flushText(b)
}

var kindTitles = map[string][2]string{
	model.KindState:       {"state", "States"},
	model.KindVerdict:     {"verdict", "Verdicts"},
	model.KindCloseReason: {"close reason", "Close reasons"},
	model.KindRule:        {"rule", "Rules"},
	model.KindTimeWaitEnd: {"end of TIME_WAIT", "Ends of TIME_WAIT"},
	model.KindCloser:      {"who closed", "Who closed"},
	model.KindRole:        {"role", "Roles"},
	model.KindProvenance:  {"how an owner is known", "How an owner is known"},
	model.KindRetransmit:  {"kind of retransmission", "Kinds of retransmission"},
	model.KindLossPlace:   {"where events were lost", "Where events were lost"},
	model.KindField:       {"field of an inventory", "Fields of an inventory"},
	model.KindWord:        {"word of several meanings", "Words of several meanings"},
}

func kindTitle(kind string, heading bool) string {
	titles, ok := kindTitles[kind]
	switch {
	case !ok:
		return kind
	case heading:
		return titles[1]
	}
	return titles[0]
}

// writeWrapped writes one paragraph in lines of width columns, those after the
// first indented. Spaces at the start of the text are kept.
func writeWrapped(b *bufio.Writer, text string, width int, indent string) {
	text = strings.TrimRight(text, "\n")
	column := 0
	for {
		text = strings.TrimRight(text, " ")
		room := width - column
		if len(text) <= room {
			b.WriteString(text)
			b.WriteByte('\n')
			return
		}
		cut := strings.LastIndexByte(text[:room+1], ' ')
		if cut <= 0 || strings.TrimSpace(text[:cut]) == "" { // one long word
			if cut = strings.IndexByte(strings.TrimLeft(text, " "), ' '); cut < 0 {
				b.WriteString(text)
				b.WriteByte('\n')
				return
			}
			cut += len(text) - len(strings.TrimLeft(text, " "))
		}
		b.WriteString(strings.TrimRight(text[:cut], " "))
		b.WriteByte('\n')
		b.WriteString(indent)
		text, column = strings.TrimLeft(text[cut:], " "), len(indent)
	}
}

func flushText(b *bufio.Writer) error {
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write text: %w", err)
	}
	return nil
}
