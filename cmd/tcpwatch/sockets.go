package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/found"
	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/sink"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
	"github.com/tcpwatch/tcpwatch/internal/watch"
)

type socketsOptions struct {
	globals *globals
	filter  filter.Flags
	output  string
}

func newSocketsCommand(e *env, g *globals) *cobra.Command {
	o := socketsOptions{globals: g}
	cmd := &cobra.Command{
		Use:   "sockets [FILTER]",
		Short: "One inventory of now: every TCP socket of every network namespace",
		Long: `Lists every TCP socket of every network namespace, TIME_WAIT and SYN_RECV
mini-sockets included, with its owner. Of a listener, as in ss, RECV-Q is the
length of its accept queue and SEND-Q the limit; -o wide adds its SYN queue and
what its network namespace counted, such as listen overflows. A socket that was reset but is still held
by a file descriptor, which ss does not show, is listed as "CLOSE (held)". With
-r it lists what a recording found at its start.`,
		Example: `  tcpwatch sockets --state CLOSE_WAIT
  tcpwatch sockets --comm nginx -o wide
  tcpwatch sockets -o json | jq '.[] | select(.recv_q > 0)'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSockets(cmd.Context(), e, &o, args)
		},
	}
	addFilterFlags(cmd, &o.filter)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, wide, json, jsonl or csv")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(streamOutputs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runSockets(ctx context.Context, e *env, o *socketsOptions, args []string) error {
	if err := checkOutput(o.output, streamOutputs...); err != nil {
		return err
	}
	f, err := compileFilter(o.filter, args)
	if err != nil {
		return err
	}
	if o.globals.replay != "" {
		return o.replay(ctx, e, f)
	}
	if err := o.globals.checkTypes(); err != nil {
		return err
	}
	p, err := probe.Load(probe.Options{InventoryOnly: true, BTF: o.globals.btf})
	if err != nil {
		return err
	}
	defer p.Close()
	snapshot := p.Snapshot(ctx)
	defer snapshot.Close()

	w := o.writer(e, epoch(e))
	counted := countedNamespaces{to: only{f, w}}
	queues := found.NewQueues(&counted)
	if err := found.New(queues).Read(snapshot); err != nil {
		return err
	}
	queues.Finish(snapshot)
	if err := closeWriter(w); err != nil {
		return err
	}
	o.summarize(e.stderr, append(p.Losses, snapshot.Losses()...))
	if o.output == "wide" && !o.globals.quiet {
		counted.print(e.stderr, namesOfNamespaces())
	}
	return nil
}

// replay lists what a recording found.
func (o *socketsOptions) replay(ctx context.Context, e *env, f *filter.Filter) error {
	s, err := o.globals.open(ctx, e, &captureFlags{ringSize: probe.DefaultRingSize, maxSockets: track.DefaultMaxSockets})
	if err != nil {
		return err
	}
	defer s.close()
	w := o.writer(e, s.epoch)
	counted := countedNamespaces{to: only{f, w}}
	table := track.New(track.Options{Replay: true}, &counted)
	err = errors.Join(replayError(s, watch.New(s.source, table, nil).Run()), closeWriter(w))
	if o.output == "wide" && !o.globals.quiet {
		counted.print(e.stderr, nil) // the names of now are not those of then
	}
	return err
}

func (o *socketsOptions) writer(e *env, epoch int64) sink.Writer {
	switch o.output {
	case "json":
		return record.NewArrayWriter(e.stdout, record.Encoder{Epoch: epoch})
	case "jsonl":
		return record.NewWriter(e.stdout, record.Encoder{Epoch: epoch})
	case "csv":
		c := view.NewCSV(e.stdout)
		c.Epoch, c.Headers = epoch, !o.globals.noHeaders
		return c
	}
	t := view.NewSockets(e.stdout)
	t.Wide, t.Headers = o.output == "wide", !o.globals.noHeaders
	t.Style.Color = o.globals.color(e, e.stdout)
	return t
}

// closeWriter writes what is buffered, and the end of an array.
func closeWriter(w sink.Writer) error {
	if c, ok := w.(io.Closer); ok {
		return c.Close()
	}
	return w.Flush()
}

func (o *socketsOptions) summarize(w io.Writer, losses []probe.Loss) {
	if o.globals.quiet || len(losses) == 0 {
		return
	}
	for _, loss := range losses {
		fmt.Fprintf(w, "not seen: %s (%s)\n", loss.What, loss.Why)
	}
}

// only is a Sink that writes the found sockets that the user asked for.
type only struct {
	filter *filter.Filter
	to     sink.Writer
}

// Observe implements track.Sink. The writers of an inventory write to memory
// or keep the error until the end.
func (s only) Observe(o *track.Observation) {
	if o.Event.Kind == events.Inventory && s.filter.Match(o) {
		_ = s.to.Write(o)
	}
}
