package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/suggest"
)

// globals are the flags that every command has.
type globals struct {
	replay    string
	noColor   bool
	noHeaders bool
	quiet     bool
	verbose   bool
	btf       string
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, e *env, args []string) int {
	root := newRoot(e)
	root.SetArgs(args)
	return exitCode(e.stderr, root.ExecuteContext(ctx))
}

func newRoot(e *env) *cobra.Command {
	var g globals
	live, trace := newLiveCommand(e, &g), newTraceCommand(e, &g)
	root := &cobra.Command{
		Use:   "tcpwatch",
		Short: "Live histories of TCP sockets, checked against the TCP state machine",
		Long: `tcpwatch shows the life of every TCP socket of this host: each state, how long
it lasted, who owns it, and whether TCP allows it. Without a command it is
"live" on a terminal, and "trace" otherwise.`,
		Example: `  sudo tcpwatch                       the live screen
  sudo tcpwatch trace --port 443      a line per event
  sudo tcpwatch sockets --state CLOSE_WAIT
  sudo tcpwatch demo --live           something to look at`,
		SilenceErrors: true, // run prints them, once, with the exit code
		SilenceUsage:  true, // one line is enough
		Args:          unknownCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			verb := trace
			if _, ok := e.terminal(e.stdout); ok {
				verb = live
			}
			verb.SetContext(cmd.Context())
			return verb.RunE(verb, args)
		},
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(flagError)
	f := root.PersistentFlags()
	f.StringVarP(&g.replay, "read", "r", "", "read a recording (what -o jsonl wrote; - for stdin) in place of the kernel")
	f.BoolVar(&g.noColor, "no-color", false, "no colours (also NO_COLOR)")
	f.BoolVar(&g.noHeaders, "no-headers", false, "no column names")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "no closing summary on stderr")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "more detail")
	f.StringVar(&g.btf, "btf", "", "the running kernel's BTF in a `FILE`, where /sys/kernel/btf/vmlinux is hidden")
	root.AddCommand(
		live, trace, newSocketsCommand(e, &g), newHistoryCommand(e, &g), newWaitsCommand(e, &g), newCheckCommand(e, &g),
		newAgentCommand(e, &g), newRulesCommand(e, &g),
		newModelCommand(e), newExplainCommand(e), newDoctorCommand(e, &g),
		newDemoCommand(e, &g), newVersionCommand(e, &g), newFilterTopic(),
	)
	usageErrors(root)
	return root
}

// unknownCommand is the error for a first word that is no command.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if near := suggest.Nearest(args[0], names); near != "" {
		return usagef("unknown command %q: did you mean %s?", args[0], near)
	}
	return usagef("unknown command %q: see tcpwatch --help", args[0])
}

// flagError suggests a flag where one is mistyped.
func flagError(cmd *cobra.Command, err error) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	if missing, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if near := suggest.Nearest("--"+missing.GetSpecifiedName(), names); near != "" {
			return usagef("%w: did you mean %s?", err, near)
		}
	}
	return usagef("%w: see %s --help", err, cmd.CommandPath())
}

// usageErrors makes whatever a command's argument check says a usage error,
// and all else that a command returns a failure to watch, unless it says
// otherwise.
func usageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			return withCode(exitUsage, check(cmd, args))
		}
	}
	if runE := cmd.RunE; runE != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return withCode(exitCannotWatch, runE(cmd, args))
		}
	}
	for _, c := range cmd.Commands() {
		usageErrors(c)
	}
}

// checkTypes checks --btf.
func (g *globals) checkTypes() error {
	if g.btf == "" {
		return nil
	}
	if _, err := probe.ReadTypes(g.btf); err != nil {
		return usagef("check --btf: %w", err)
	}
	return nil
}

// checkOutput checks an -o value.
func checkOutput(value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	if near := suggest.Nearest(value, known); near != "" {
		return usagef("unknown output %q: did you mean %s?", value, near)
	}
	return usagef("unknown output %q: one of %s", value, strings.Join(known, " "))
}

// color decides whether to colour what goes to w.
func (g *globals) color(e *env, w io.Writer) bool {
	_, terminal := e.terminal(w)
	return terminal && !g.noColor && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}
