package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/sink"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
	"github.com/tcpwatch/tcpwatch/internal/watch"
)

type historyOptions struct {
	ladder   bool
	relative bool
	globals  *globals
	capture  captureFlags
	filter   filter.Flags
	owners   ownerFlags
	output   string
}

func newHistoryCommand(e *env, g *globals) *cobra.Command {
	o := historyOptions{globals: g}
	cmd := &cobra.Command{
		Use:   "history [FILTER]",
		Short: "The whole known life of each matching socket",
		Long: `Prints the life of each socket when it ends: every state, how long it lasted,
and what the model thinks of it. When the watch itself ends (Ctrl-C, --for, the
end of a recording), the lives of the open sockets that did something follow.
FILTER is asked about the end of a life, as in close_reason == "fin".`,
		Example: `  tcpwatch history --port 5432 --for 1m
  tcpwatch history 'verdict == "abnormal"'
  tcpwatch history -r recording.jsonl 'duration_ns > duration("10s")'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runHistory(cmd.Context(), e, &o, args)
		},
	}
	addFilterFlags(cmd, &o.filter)
	addCaptureFlags(cmd, &o.capture)
	addOwnerFlags(cmd, &o.owners)
	cmd.Flags().BoolVar(&o.capture.lives, "summary", false, "have the kernel keep the histories, and hand over one record for each connection when it is gone, which takes less of a processor; what began before, is open at the end, or waits in TIME_WAIT is not told")
	cmd.Flags().BoolVar(&o.ladder, "ladder", false, "text: draw each connection as a sequence diagram; where both ends are on this host, both in one")
	cmd.Flags().BoolVar(&o.relative, "relative", false, "with --ladder: count sequence numbers from the SYNs")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, json or jsonl")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runHistory(ctx context.Context, e *env, o *historyOptions, args []string) error {
	if err := checkOutput(o.output, "text", "json", "jsonl"); err != nil {
		return err
	}
	if o.ladder && o.output != "text" {
		return usagef("a ladder is text: leave out -o %s", o.output)
	}
	if o.relative && !o.ladder {
		return usagef("--relative is for --ladder")
	}
	if o.capture.lives && o.globals.replay != "" {
		return usagef("a recording has its histories: --summary needs the kernel")
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

	w := o.writer(e, s)
	owners := s.owners(o.owners, f)
	queue := sink.NewQueue(owners.described(&lives{f, w}), func(error) { s.stop() })
	options := s.tableOptions(&o.capture, 0)
	if o.capture.lives {
		options.Life = s.live.Life
	}
	table := track.New(options, &endsOnly{&sieve{f, owners.feed(queue)}})
	err = watch.New(s.source, table, queue.Flush).Run()
	openLives(table, queue)
	err = errors.Join(replayError(s, err), queue.Close(), closeWriter(w))
	o.globals.summarize(e.stderr, s, table.Stats(), queue.Lost())
	return err
}

func (o *historyOptions) writer(e *env, s *session) sink.Writer {
	encoder := record.Encoder{Epoch: s.epoch, ResetReason: s.resetReason}
	switch o.output {
	case "json":
		return record.NewArrayWriter(e.stdout, encoder)
	case "jsonl":
		return record.NewWriter(e.stdout, encoder)
	}
	card := view.History{Epoch: s.epoch, Location: time.Local}
	card.Style.Color = o.globals.color(e, e.stdout)
	if o.ladder {
		return &ladders{view: view.Ladders{History: card, Relative: o.relative, ASCII: !e.utf8()}, env: e}
	}
	return &cards{view: card, env: e}
}

// endsOnly is a Sink before a queue: of all lines, history needs the ends and the
// losses.
type endsOnly struct{ to track.Sink }

// Observe implements track.Sink.
func (w *endsOnly) Observe(o *track.Observation) {
	if o.Event.Kind == events.Closed || o.Event.Kind == events.Lost {
		w.to.Observe(o)
	}
}

// lives is a Writer of whole lives that the user asked for, and of losses.
type lives struct {
	filter *filter.Filter
	to     sink.Writer
}

func (l *lives) Write(o *track.Observation) error {
	if !l.filter.Match(o) {
		return nil
	}
	return l.to.Write(o)
}

func (l *lives) Flush() error { return l.to.Flush() }

// cards writes lives as text.
type cards struct {
	view view.History
	env  *env
}

func (c *cards) Write(o *track.Observation) error {
	if o.Event.Kind == events.Lost {
		_, err := fmt.Fprintln(c.env.stdout, c.view.Style.Loss(view.Lost(&o.Event)))
		return err
	}
	return c.view.Card(c.env.stdout, o.Socket, o.Event.Time)
}

func (c *cards) Flush() error { return nil }

// openLives hands the lives that have not ended, but had an event, to the
// sink, in the order of their births.
func openLives(table *track.Table, to track.Sink) {
	rows := table.Rows(nil)
	slices.SortFunc(rows, func(a, b track.Row) int { return cmp.Compare(a.ID, b.ID) })
	for i := range rows {
		if rows[i].Steps == 0 || rows[i].EndTime != 0 {
			continue
		}
		// One that waits as a mini-socket has been told of: its row is open, it is not.
		if s, ok := table.Socket(&rows[i]); ok && s.Open() {
			to.Observe(s.Observation(table.Time()))
		}
	}
}
