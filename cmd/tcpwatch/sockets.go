package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/cgroup"
	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/found"
	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/sink"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
	"github.com/tcpwatch/tcpwatch/internal/watch"
	"github.com/tcpwatch/tcpwatch/model"
)

type socketsOptions struct {
	globals *globals
	filter  filter.Flags
	owners  ownerFlags
	holders bool
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
what its network namespace counted, such as listen overflows. A socket that was
reset but is still held by a file descriptor, which ss does not show, is listed as
"CLOSE (held)". With -r it lists what there was at the end of a recording.`,
		Example: `  tcpwatch sockets --state CLOSE_WAIT
  tcpwatch sockets --comm nginx -o wide
  tcpwatch sockets -o json | jq '.[] | select(.recv_q > 0)'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSockets(cmd.Context(), e, &o, args)
		},
	}
	addFilterFlags(cmd, &o.filter)
	addOwnerFlags(cmd, &o.owners)
	cmd.Flags().BoolVar(&o.holders, "holders", false, "json: list every file descriptor of each socket, not only the first")
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
	f.Self = uint32(os.Getpid())
	owners := &owners{resolver: cgroup.NewResolver(cgroup.Options{Cmdline: o.owners.cmdline}), await: true}
	counted := countedNamespaces{to: only{f, owners, w}}
	queues := found.NewQueues(&counted)
	sockets := found.New(queues)
	sockets.All = o.holders
	if err := sockets.Read(snapshot); err != nil {
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

// replay lists what there was at the end of a recording.
func (o *socketsOptions) replay(ctx context.Context, e *env, f *filter.Filter) error {
	s, err := o.globals.open(ctx, e, &captureFlags{ringSize: probe.DefaultRingSize, maxSockets: track.DefaultMaxSockets, timeWait: "timers"})
	if err != nil {
		return err
	}
	defer s.close()
	w := o.writer(e, s.epoch)
	var end leftovers
	table := track.New(track.Options{Replay: true}, &end)
	err = replayError(s, watch.New(s.source, table, nil).Run())
	counted := countedNamespaces{to: only{f, nil, w}}
	table.Inventory(end.time, withListen{end.listen, &counted})
	end.list(&counted)
	err = errors.Join(err, closeWriter(w))
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

// leftovers is a Sink that notes what a table tells of and does not keep: the
// requests that were found, and the time.
type leftovers struct {
	time     uint64
	requests []track.Observation
	listen   map[uint64]*events.Listen // by socket, what was told of listeners
}

// Observe implements track.Sink.
func (l *leftovers) Observe(o *track.Observation) {
	ev := &o.Event
	l.time = max(l.time, ev.Time)
	if ev.Kind == events.Inventory && ev.To == model.NewSynRecv {
		l.requests = append(l.requests, *o)
	}
	if o.Listen != nil {
		if l.listen == nil {
			l.listen = map[uint64]*events.Listen{}
		}
		l.listen[o.ID] = o.Listen
	}
}

// withListen is a Sink that adds to listeners what the recording told of them.
type withListen struct {
	listen map[uint64]*events.Listen
	to     track.Sink
}

// Observe implements track.Sink.
func (w withListen) Observe(o *track.Observation) {
	if o.Event.To == model.Listen {
		o.Listen = w.listen[o.ID]
	}
	w.to.Observe(o)
}

// requestLife is for how long a request is believed to last that was found, in ns:
// until the kernel would first send its SYN-ACK again.
const requestLife = 1e9

// list hands on those that are still there, as far as anybody knows: nothing
// tells of their end.
func (l *leftovers) list(sink track.Sink) {
	for i := range l.requests {
		ev := &l.requests[i].Event
		if l.time-ev.Time < requestLife {
			ev.Time = l.time
			sink.Observe(&l.requests[i])
		}
	}
}

// only is a Sink that writes the found sockets that the user asked for.
type only struct {
	filter *filter.Filter
	owners *owners // nil on replay
	to     sink.Writer
}

// Observe implements track.Sink. The writers of an inventory write to memory
// or keep the error until the end.
func (s only) Observe(o *track.Observation) {
	if o.Event.Kind != events.Inventory {
		return
	}
	if s.owners != nil {
		s.owners.describe(o)
	}
	if s.filter.Match(o) {
		_ = s.to.Write(o)
	}
}
