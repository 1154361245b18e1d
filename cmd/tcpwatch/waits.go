package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/cgroup"
	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/found"
	"github.com/tcpwatch/tcpwatch/internal/netns"
	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/internal/watch"
	"github.com/tcpwatch/tcpwatch/model"
)

type waitsOptions struct {
	globals *globals
	capture captureFlags
	filter  filter.Flags
	output  string
	by      string
	top     int
	watch   bool
	every   time.Duration
	told    bool // a header, of csv
}

func newWaitsCommand(e *env, g *globals) *cobra.Command {
	o := waitsOptions{globals: g}
	cmd := &cobra.Command{
		Use:   "waits [FILTER]",
		Short: "What builds up: CLOSE_WAIT, TIME_WAIT, FIN_WAIT2, queues, and how long the ports last",
		Long: `Tells which sockets wait for somebody, grouped by who is to act, with how many,
for how long, and how many came within the last minute; which listeners have
connections in their queues; and, for each source address and destination, how
many of the ports that connect() may choose are taken.

Once, it reads what there is now: an age that was not seen is a lower bound, by
the newest segment the kernel received. With --watch it goes on, sees ages itself,
measures how fast things grow, foresees when ports run out, and counts connects
that got none.`,
		Example: `  tcpwatch waits
  tcpwatch waits --watch --comm nginx
  tcpwatch waits --by peer --top 5
  tcpwatch waits --watch --stacks --state CLOSE_WAIT
  tcpwatch waits -o json | jq .sections.close_wait.groups`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runWaits(cmd.Context(), e, &o, args)
		},
	}
	addFilterFlags(cmd, &o.filter)
	addCaptureFlags(cmd, &o.capture)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, wide, json, jsonl or csv")
	cmd.Flags().StringVar(&o.by, "by", "", "group by "+strings.Join(waits.ByNames(), ", ")+" (by the process, and the listener or the peer)")
	cmd.Flags().IntVar(&o.top, "top", 10, "how many groups to list of each kind, 0 for all")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "go on, and measure growth")
	cmd.Flags().DurationVar(&o.every, "every", 2*time.Second, "with --watch: how often to tell")
	cmd.Flags().BoolVar(&o.capture.stacks, "stacks", false, "with --watch: tell at which place of their program leaked connections were accepted or connected")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(waitsOutputs, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(waits.ByNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var waitsOutputs = []string{"text", "wide", "json", "jsonl", "csv"}

func runWaits(ctx context.Context, e *env, o *waitsOptions, args []string) error {
	if err := checkOutput(o.output, waitsOutputs...); err != nil {
		return err
	}
	by, ok := waits.ParseBy(o.by)
	if !ok && o.by != "" {
		return usagef("check --by %q: want %s", o.by, strings.Join(waits.ByNames(), ", "))
	}
	if o.top < 0 || o.every < 100*time.Millisecond {
		return usagef("check --top %d, --every %v: want 0 or more, and 100ms or more", o.top, o.every)
	}
	f, err := compileFilter(o.filter, args)
	if err != nil {
		return err
	}
	t := &waitsTeller{o: o, env: e, filter: f, options: waits.Options{By: by, Top: o.top}}
	switch {
	case o.capture.duration != 0 && !o.watch:
		return usagef("waits --for %v: without --watch there is nothing to wait for", o.capture.duration)
	case o.capture.stacks && !o.watch:
		return usagef("waits --stacks: want --watch, too: a stack is seen when the connection is made")
	case o.globals.replay != "" && o.watch:
		return usagef("a recording stands still: --watch needs the kernel")
	case o.globals.replay != "":
		return t.replay(ctx)
	case o.watch:
		return t.follow(ctx)
	}
	return t.once(ctx)
}

// freshness is how old, in ns, descriptors and queues may be with --watch: no event
// tells of them.
const freshness = 5e9

// waitsTeller makes Reports, and writes them.
type waitsTeller struct {
	o       *waitsOptions
	env     *env
	filter  *filter.Filter
	options waits.Options
	names   netns.Names
	epoch   int64
}

// ask has settings read again: an administrator may have changed them.
func (t *waitsTeller) ask() {
	a := newAdministration()
	t.options.Settings, t.options.Bound, t.options.NAT = a.settings, a.bound, a.nat
}

// write writes one Report in the form that was asked for.
func (t *waitsTeller) write(r *waits.Report) error {
	switch t.o.output {
	case "json", "jsonl":
		return r.WriteJSON(t.env.stdout, t.epoch)
	case "csv":
		header := !t.o.globals.noHeaders && !t.o.told
		t.o.told = true
		return view.WaitsCSV(t.env.stdout, r, header)
	}
	v := view.Waits{Headers: !t.o.globals.noHeaders, By: t.options.By, Wide: t.o.output == "wide"}
	v.Style.Color = t.o.globals.color(t.env, t.env.stdout)
	v.Width, _ = t.env.terminal(t.env.stdout)
	if t.o.globals.replay == "" {
		v.Netns = func(inum uint32) string { return t.names.Of(inum, r.Time) }
		if own, err := netns.Self(); err == nil {
			v.Here = own.Inum
		}
	}
	return v.Write(t.env.stdout, r)
}

// once reads one inventory of the kernel.
func (t *waitsTeller) once(ctx context.Context) error {
	if err := t.o.globals.checkTypes(); err != nil {
		return err
	}
	p, err := probe.Load(probe.Options{InventoryOnly: true, BTF: t.o.globals.btf})
	if err != nil {
		return err
	}
	defer p.Close()
	snapshot := p.Snapshot(ctx)
	defer snapshot.Close()
	t.epoch = epoch(t.env)
	t.filter.Self = uint32(os.Getpid())
	t.ask()
	c := waits.New(t.options)
	sift := &sifted{filter: t.filter, to: c, others: c}
	if t.options.By == waits.ByContainer || t.filter.AsksProcess() {
		sift.owners = &owners{resolver: cgroup.NewResolver(cgroup.Options{}), await: true}
	}
	queues := found.NewQueues(sift)
	sockets := found.New(queues)
	sockets.All = true
	if err := sockets.Read(snapshot); err != nil {
		return err
	}
	queues.Finish(snapshot)
	if err := t.write(c.Report(bootTime())); err != nil {
		return err
	}
	if !t.o.globals.quiet {
		for _, loss := range append(p.Losses, snapshot.Losses()...) {
			fmt.Fprintf(t.env.stderr, "not seen: %s (%s)\n", loss.What, loss.Why)
		}
	}
	return nil
}

// sifted is a Sink of what the user asked for. Listeners always pass: they tell
// whose connections the others are.
type sifted struct {
	filter *filter.Filter
	owners *owners
	to     track.Sink
	others interface{ Other(*track.Observation) } // takes the rest, nil if nobody does
}

// Observe implements track.Sink.
func (s *sifted) Observe(o *track.Observation) {
	if o.Event.Kind != events.Inventory {
		return
	}
	if s.owners != nil {
		s.owners.describe(o)
	}
	if o.Event.To == model.Listen || s.filter.Match(o) {
		s.to.Observe(o)
	} else if s.others != nil {
		s.others.Other(o)
	}
}

// replay tells what waited at the end of a recording.
func (t *waitsTeller) replay(ctx context.Context) error {
	s, err := t.o.globals.open(ctx, t.env, &t.o.capture)
	if err != nil {
		return err
	}
	defer s.close()
	t.epoch = s.epoch
	var end leftovers
	table := track.New(track.Options{Replay: true}, &end)
	err = replayError(s, watch.New(s.source, table, nil).Run())
	c := waits.New(t.options)
	sift := &sifted{filter: t.filter, to: c, others: c}
	table.Inventory(end.time, withListen{end.listen, sift})
	end.list(sift)
	err = errors.Join(err, t.write(c.Report(end.time)))
	t.o.globals.summarize(t.env.stderr, s, table.Stats(), 0)
	return err
}

// follow watches, and tells again and again.
func (t *waitsTeller) follow(ctx context.Context) error {
	s, err := t.o.globals.open(ctx, t.env, &t.o.capture)
	if err != nil {
		return err
	}
	defer s.close()
	t.epoch = s.epoch
	t.filter.ResetReason = s.resetReason
	t.ask()
	owners := s.owners(ownerFlags{}, t.filter)
	owners.await = owners.await || t.options.By == waits.ByContainer
	refused := waits.Failures{}
	options := s.tableOptions(&t.o.capture, 0)
	options.LookEvery = freshness
	table := track.New(options, owners.feed(&refused))
	w := watch.New(s.source, table, nil)
	ended := make(chan error, 1)
	go func() { ended <- w.Run() }()
	err = t.tell(ctx, w, owners, &refused, &stackNames{session: s, owners: owners}, ended)
	s.stop()
	w.Wait()
	t.o.globals.summarize(t.env.stderr, s, table.Stats(), 0)
	return errors.Join(err, w.Err())
}

// tell writes a Report every so often, until the stream ends or nobody reads.
func (t *waitsTeller) tell(ctx context.Context, w *watch.Watch, owners *owners, refused *waits.Failures, names *stackNames, ended <-chan error) error {
	const afresh = 10 // reports, for what an administrator changes meanwhile
	reports := 0
	var there copies
	meter := waits.NewMeter()
	tick := time.NewTicker(t.o.every)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return nil
		case <-tick.C:
		}
		options := t.options
		if reports++; reports%afresh == 0 {
			t.ask()
		}
		options.Top = 0 // the meter wants to know all
		c := waits.New(options)
		var failures waits.Failures
		var now uint64
		there = there[:0]
		err := w.Ask(ctx, func(table *track.Table) {
			now = table.Time()
			table.Inventory(now, &there) // the stream waits: what takes time comes after
			failures = refused.Clone()
		})
		if err != nil {
			return nil // the stream is about to end
		}
		sift := sifted{filter: t.filter, owners: owners, to: c, others: c}
		for i := range there {
			sift.Observe(&there[i])
		}
		r := c.Report(now)
		meter.Measure(r)
		failures.AddTo(r)
		r.Limit(t.o.top)
		if err := t.explain(ctx, w, r, names); err != nil {
			return nil
		}
		if err := t.redraw(r); err != nil {
			return err
		}
	}
}

// explain adds what tells where leaks come from: the histories of the examples, and
// stacks.
func (t *waitsTeller) explain(ctx context.Context, w *watch.Watch, r *waits.Report, names *stackNames) error {
	examples := map[uint64]bool{}
	for g := range r.Leaks {
		examples[g.Example.ID] = true
	}
	if len(examples) == 0 {
		return nil
	}
	histories := map[uint64][]track.Step{}
	err := w.Ask(ctx, func(table *track.Table) {
		table.Lives(examples, func(s *track.Socket) {
			if s.Steps > 0 { // else it was only found
				histories[s.ID] = slices.Clone(s.History())
			}
		})
	})
	for g := range r.Leaks {
		g.Example.History = histories[g.Example.ID]
		if g.Stacked > 0 {
			g.Frames = names.of(&g.Stack, g.StackSeen)
		}
	}
	return err
}

// copies is a Sink that keeps copies of an inventory's rows.
type copies []track.Observation

// Observe implements track.Sink.
func (c *copies) Observe(o *track.Observation) { *c = append(*c, *o) }

// redraw writes a Report over the former one where there is a screen.
func (t *waitsTeller) redraw(r *waits.Report) error {
	if _, ok := t.env.terminal(t.env.stdout); ok && t.o.output == "text" {
		const homeAndClear = "\x1b[H\x1b[2J\x1b[3J"
		if _, err := fmt.Fprint(t.env.stdout, homeAndClear); err != nil {
			return err
		}
	}
	return t.write(r)
}
