package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/internal/demo"
	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/sink"
	"github.com/tcpwatch/tcpwatch/internal/suggest"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/tui"
	"github.com/tcpwatch/tcpwatch/internal/watch"
)

type demoOptions struct {
	globals *globals
	capture captureFlags
	traffic demo.Options
	live    bool
	list    bool
}

func newDemoCommand(e *env, g *globals) *cobra.Command {
	o := demoOptions{globals: g}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Harmless connections on loopback, to have something to look at",
		Long: `Makes real connections on loopback that live and die in every ordinary way, and
ends by itself. With --live it also watches: full screen on a terminal, a line
per event otherwise.`,
		Example: `  sudo tcpwatch demo --live
  tcpwatch demo --only reset,refused --rounds 5`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), e, &o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.live, "live", false, "watch the connections too (as tcpwatch live does)")
	f.BoolVar(&o.list, "list", false, "list the scenarios and end")
	f.IntVar(&o.traffic.Rounds, "rounds", 0, "how often to play each scenario (default 1, with --live on a terminal 50)")
	f.DurationVar(&o.traffic.Pause, "pause", 300*time.Millisecond, "pause between the steps of a connection")
	f.DurationVar(&o.traffic.HalfClose, "half-close", 3*time.Second, "how long the half-closed connection stays in CLOSE_WAIT")
	f.StringSliceVar(&o.traffic.Only, "only", nil, "scenarios to play, by name")
	addCaptureFlags(cmd, &o.capture)
	_ = cmd.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(scenarioNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func scenarioNames() []string {
	var names []string
	for _, s := range demo.Scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// liveRounds keeps the screen busy for some minutes, and ends.
const liveRounds = 50

func runDemo(ctx context.Context, e *env, o *demoOptions) error {
	if o.list {
		for _, s := range demo.Scenarios() {
			if _, err := fmt.Fprintf(e.stdout, "%-24s %s\n", s.Name, s.About); err != nil {
				return err
			}
		}
		return nil
	}
	if o.traffic.Rounds < 0 {
		return usagef("check --rounds %d: want 1 or more", o.traffic.Rounds)
	}
	if err := knownScenarios(o.traffic.Only); err != nil {
		return err
	}
	o.traffic.IPv6 = true
	_, terminal := e.terminal(e.stdout)
	if o.traffic.Rounds == 0 {
		o.traffic.Rounds = 1
		if o.live && terminal {
			o.traffic.Rounds = liveRounds
		}
	}
	switch {
	case !o.live:
		return o.play(ctx, e)
	case terminal:
		return o.playLive(ctx, e)
	default:
		return o.playTrace(ctx, e)
	}
}

func knownScenarios(only []string) error {
	names := scenarioNames()
	for _, name := range only {
		if slices.Contains(names, name) {
			continue
		}
		if near := suggest.Nearest(name, names); near != "" {
			return usagef("unknown scenario %q: did you mean %s?", name, near)
		}
		return usagef("unknown scenario %q: one of %s", name, strings.Join(names, " "))
	}
	return nil
}

// play makes the connections and tells of each.
func (o *demoOptions) play(ctx context.Context, e *env) error {
	var mu sync.Mutex // scenarios run side by side
	o.traffic.Log = func(scenario string, laddr, raddr netip.AddrPort) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(e.stdout, "%-24s %v > %v\n", scenario, laddr, raddr)
	}
	return ignoreCancel(ctx, demo.Run(ctx, o.traffic))
}

// ignoreCancel makes an end that the user asked for a good one.
func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// playLive shows the connections on the full screen.
func (o *demoOptions) playLive(ctx context.Context, e *env) error {
	s, err := o.globals.open(ctx, e, &o.capture)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	played := make(chan error, 1)
	go func() { played <- ignoreCancel(ctx, demo.Run(ctx, o.traffic)) }()
	l := liveOptions{globals: o.globals, capture: o.capture, refresh: tui.DefaultRefresh}
	err = l.show(ctx, e, s, &filter.Filter{})
	cancel()
	return errors.Join(err, <-played)
}

// playTrace prints a line per event until the last connection has ended.
func (o *demoOptions) playTrace(ctx context.Context, e *env) error {
	s, err := o.globals.open(ctx, e, &o.capture)
	if err != nil {
		return err
	}
	defer s.close()
	played := make(chan error, 1)
	go func() {
		played <- ignoreCancel(ctx, demo.Run(ctx, o.traffic))
		s.stop()
	}()
	t := traceOptions{globals: o.globals, output: "text"}
	queue := sink.NewQueue(t.writer(e, s), func(error) { s.stop() })
	table := track.New(s.tableOptions(&o.capture, 0), queue)
	err = watch.New(s.source, table, queue.Flush).Run()
	err = errors.Join(err, queue.Close(), <-played)
	o.globals.summarize(e.stderr, s, table.Stats(), queue.Lost())
	return err
}
