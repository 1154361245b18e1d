package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/sink"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
	"github.com/tcpwatch/tcpwatch/internal/watch"
)

type traceOptions struct {
	globals   *globals
	capture   captureFlags
	filter    filter.Flags
	owners    ownerFlags
	output    string
	inventory bool
}

func newTraceCommand(e *env, g *globals) *cobra.Command {
	o := traceOptions{globals: g}
	cmd := &cobra.Command{
		Use:   "trace [FILTER]",
		Short: "One line per event, as it happens",
		Long: `Prints every state transition, retransmit, reset and end of a TCP socket, in
all network namespaces, with the model's verdict. FILTER is an expression over
the JSON fields.`,
		Example: `  tcpwatch trace --port 443
  tcpwatch trace 'to == "CLOSE_WAIT" and owner.comm == "nginx"'
  tcpwatch trace 'event == "closed" and verdict == "abnormal"'
  tcpwatch trace -o jsonl --for 30s > recording.jsonl; tcpwatch trace -r recording.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTrace(cmd.Context(), e, &o, args)
		},
	}
	addFilterFlags(cmd, &o.filter)
	addCaptureFlags(cmd, &o.capture)
	addOwnerFlags(cmd, &o.owners)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, wide, json, jsonl or csv")
	cmd.Flags().BoolVar(&o.inventory, "inventory", false, "text: also print the sockets that were there (the other outputs always do)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(streamOutputs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var streamOutputs = []string{"text", "wide", "json", "jsonl", "csv"}

func runTrace(ctx context.Context, e *env, o *traceOptions, args []string) error {
	if err := checkOutput(o.output, streamOutputs...); err != nil {
		return err
	}
	f, err := compileFilter(o.filter, args)
	if err != nil {
		return err
	}
	s, err := o.globals.open(ctx, e, &o.capture)
	if err != nil {
		return err
	}
	defer s.close()
	f.ResetReason = s.resetReason

	owners := s.owners(o.owners, f)
	queue := sink.NewQueue(owners.described(&filtered{f, o.writer(e, s)}), func(error) { s.stop() })
	table := track.New(s.tableOptions(&o.capture, 0), &sieve{f, owners.feed(queue)})
	err = watch.New(s.source, table, queue.Flush).Run()
	err = errors.Join(replayError(s, err), queue.Close())
	o.globals.summarize(e.stderr, s, table.Stats(), queue.Lost())
	return err
}

// replayError makes an error in a recording the user's.
func replayError(s *session, err error) error {
	if err != nil && s.live == nil {
		return usagef("%w", err)
	}
	return err
}

func (o *traceOptions) writer(e *env, s *session) sink.Writer {
	switch o.output {
	case "json", "jsonl":
		return record.NewWriter(e.stdout, record.Encoder{Epoch: s.epoch, ResetReason: s.resetReason})
	case "csv":
		c := view.NewCSV(e.stdout)
		c.Epoch, c.Headers = s.epoch, !o.globals.noHeaders
		return c
	}
	t := view.NewTrace(e.stdout)
	t.Wide = o.output == "wide"
	t.Headers = !o.globals.noHeaders
	t.Inventory = o.inventory
	t.Style.Color = o.globals.color(e, e.stdout)
	t.Epoch = s.epoch
	t.ResetReason = s.resetReason
	return t
}

// sieve is a Sink before a queue: what nobody asked for takes none of its room.
type sieve struct {
	filter *filter.Filter
	to     track.Sink
}

// Observe implements track.Sink. It runs in the goroutine that reads the ring.
func (w *sieve) Observe(o *track.Observation) {
	if w.filter.MayMatch(o) {
		w.to.Observe(o)
	}
}

// filtered is a Writer of what the user asked for.
type filtered struct {
	filter *filter.Filter
	to     sink.Writer
}

func (w *filtered) Write(o *track.Observation) error {
	if !w.filter.Match(o) {
		return nil
	}
	return w.to.Write(o)
}

func (w *filtered) Flush() error { return w.to.Flush() }
