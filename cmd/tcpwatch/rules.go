package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/ruletest"
)

func newRulesCommand(e *env, g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Check, test, list and export the alert rules",
		Long: `Alert rules are YAML, shaped as Prometheus has them; docs/alerts.md says what is
in them. Some are built in, and on unless a file turns them off.`,
		Example: `  tcpwatch rules list
  tcpwatch rules check rules.yaml
  tcpwatch rules test rules_test.yaml
  tcpwatch rules export --format prometheus > tcpwatch.rules.yaml`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("rules what: want check, test, list or export")
		},
	}
	cmd.AddCommand(newRulesCheckCommand(e, g), newRulesTestCommand(e, g), newRulesListCommand(e, g), newRulesExportCommand(e))
	return cmd
}

// someFiles is the argument check of commands that want one file or more.
func someFiles(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s wants a FILE", cmd.CommandPath())
	}
	return nil
}

// readRules reads rules files, as far as they are ones: the error has a line for each
// mistake of all of them.
func readRules(names []string) (sets [][]alert.Rule, err error) {
	var all []error
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			all = append(all, err)
			continue
		}
		rules, err := alert.Parse(name, text)
		if err != nil {
			all = append(all, err)
			continue
		}
		sets = append(sets, rules)
	}
	if err := errors.Join(all...); err != nil {
		return nil, usagef("read rules:\n%w", printed(err))
	}
	return sets, nil
}

// printed makes an error that quotes a file safe to print, line by line.
func printed(err error) error {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, printable.String(strings.TrimSuffix(line, "\n")))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// rulesWith are the built-in rules and those of files together.
func rulesWith(names []string) ([]alert.Rule, error) {
	sets, err := readRules(names)
	if err != nil {
		return nil, err
	}
	return alert.Merge(append([][]alert.Rule{alert.Builtin()}, sets...)...), nil
}

func newRulesCheckCommand(e *env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE…",
		Short:   "Say whether files are rules, and where they are not",
		Example: "  tcpwatch rules check /etc/tcpwatch/*.yaml",
		Args:    someFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			sets, err := readRules(args)
			if err != nil || g.quiet {
				return err
			}
			b := bufio.NewWriter(e.stdout)
			for i, rules := range sets {
				fmt.Fprintf(b, "%s: %s\n", printable.String(args[i]), count(len(rules), "rule"))
			}
			return flushText(b)
		},
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func newRulesTestCommand(e *env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE…",
		Short: "Run unit tests of rules, with a clock of their own",
		Long: `Runs files of unit tests: what happens, as lines of the JSON contract or a
recording, and which alerts there are to be when. The exit code is 1 if one fails.`,
		Example: "  tcpwatch rules test rules_test.yaml",
		Args:    someFiles,
		RunE:    func(_ *cobra.Command, args []string) error { return runRulesTest(e, g, args) },
	}
}

func runRulesTest(e *env, g *globals, names []string) error {
	b := bufio.NewWriter(e.stdout)
	failed := false
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return usagef("read tests: %w", err)
		}
		f, err := ruletest.Parse(name, text)
		if err != nil {
			return usagef("run tests:\n%w", printed(err))
		}
		failures, err := ruletest.Run(f, os.ReadFile)
		if err != nil {
			return usagef("run tests:\n%w", printed(err))
		}
		for i := range failures {
			fmt.Fprintf(b, "FAILED %s\n", printable.String(failures[i].Error()))
		}
		failed = failed || len(failures) > 0
		if len(failures) == 0 && !g.quiet {
			fmt.Fprintf(b, "ok %s: %s\n", printable.String(name), count(len(f.Tests), "test"))
		}
	}
	if err := flushText(b); err != nil {
		return err
	}
	if failed {
		return silentCode(exitFound)
	}
	return nil
}

func newRulesListCommand(e *env, g *globals) *cobra.Command {
	output := "table"
	cmd := &cobra.Command{
		Use:     "list [FILE…]",
		Short:   "List the built-in rules, and those of files with them",
		Example: "  tcpwatch rules list\n  tcpwatch rules list -o json rules.yaml",
		Args:    cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkOutput(output, "table", "json"); err != nil {
				return err
			}
			rules, err := rulesWith(args)
			if err != nil {
				return err
			}
			if output == "json" {
				return writeRulesJSON(e.stdout, rules)
			}
			return writeRulesTable(e.stdout, rules, !g.noHeaders)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "how to print: table or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func writeRulesTable(w io.Writer, rules []alert.Rule, headers bool) error {
	t := table.NewWriter()
	t.SuppressTrailingSpaces()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  "
	t.SetStyle(style)
	if headers {
		t.AppendHeader(table.Row{"RULE", "SEVERITY", "ON", "WHERE", "EXPR", "FOR", "FROM"})
	}
	for i := range rules {
		r := &rules[i]
		t.AppendRow(table.Row{
			r.Name, printable.String(r.Labels["severity"]), r.On, printable.String(r.Where), printable.String(r.Expr), alert.FormatDuration(r.For),
			printable.String(fmt.Sprintf("%s:%d", r.File, r.Line)),
		})
	}
	if _, err := fmt.Fprintln(w, t.Render()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// ruleJSON is a rule as `rules list -o json` prints it.
type ruleJSON struct {
	Alert         string            `json:"alert"`
	Group         string            `json:"group"`
	File          string            `json:"file"`
	Line          int               `json:"line"`
	On            string            `json:"on"`
	Where         string            `json:"where,omitempty"`
	By            []string          `json:"by,omitempty"`
	Window        string            `json:"window"`
	Expr          string            `json:"expr"`
	Clear         string            `json:"clear,omitempty"`
	For           string            `json:"for,omitempty"`
	KeepFiringFor string            `json:"keep_firing_for,omitempty"`
	Limit         *limitJSON        `json:"limit,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	Prometheus    string            `json:"prometheus,omitempty"`
}

type limitJSON struct {
	Per   string `json:"per"`
	Burst int    `json:"burst"`
}

func writeRulesJSON(w io.Writer, rules []alert.Rule) error {
	all := []ruleJSON{}
	for i := range rules {
		r := &rules[i]
		j := ruleJSON{
			Alert: r.Name, Group: r.Group, File: r.File, Line: r.Line, On: r.On, Where: r.Where, By: r.By,
			Window: alert.FormatDuration(r.Window), Expr: r.Expr, Clear: r.Clear, Labels: r.Labels, Annotations: r.Annotations, Prometheus: r.Prometheus,
		}
		if r.For > 0 {
			j.For = alert.FormatDuration(r.For)
		}
		if r.KeepFiringFor > 0 {
			j.KeepFiringFor = alert.FormatDuration(r.KeepFiringFor)
		}
		if r.Limit.Burst > 0 {
			j.Limit = &limitJSON{alert.FormatDuration(r.Limit.Per), r.Limit.Burst}
		}
		all = append(all, j)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(all); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

func newRulesExportCommand(e *env) *cobra.Command {
	format := "prometheus"
	cmd := &cobra.Command{
		Use:   "export [FILE…]",
		Short: "Write the rules for Prometheus, or the file of the built-in ones",
		Long: `Writes the built-in rules, and those of files with them, as a rules file of
Prometheus over the metrics of tcpwatch: those that a metric tells, the others as
comments. With --format tcpwatch it writes the file of the built-in rules, to begin
one's own with.`,
		Example: "  tcpwatch rules export --format prometheus > tcpwatch.rules.yaml\n  tcpwatch rules export --format tcpwatch > rules.yaml",
		Args:    cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case format == "tcpwatch" && len(args) > 0:
				return usagef("export --format tcpwatch writes the built-in rules, and takes no FILE")
			case format == "tcpwatch":
				if _, err := e.stdout.Write(alert.BuiltinText()); err != nil {
					return fmt.Errorf("write rules: %w", err)
				}
				return nil
			case format != "prometheus":
				return usagef("export --format %q: want prometheus or tcpwatch", format)
			}
			rules, err := rulesWith(args)
			if err != nil {
				return err
			}
			return alert.Export(e.stdout, rules)
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "for whom: prometheus or tcpwatch")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"prometheus", "tcpwatch"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
