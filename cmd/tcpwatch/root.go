package main

import (
	"context"

	"github.com/spf13/cobra"
)

// run executes one command line and returns the exit code.
func run(ctx context.Context, e *env, args []string) int {
	root := newRoot(e)
	root.SetArgs(args)
	return exitCode(e.stderr, root.ExecuteContext(ctx))
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:           "tcpwatch",
		Short:         "Live histories of TCP sockets, checked against the TCP state machine",
		SilenceErrors: true, // run prints them, once, with the exit code
		SilenceUsage:  true, // one line is enough
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	return root
}
