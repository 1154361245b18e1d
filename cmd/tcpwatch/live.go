package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/tui"
	"github.com/tcpwatch/tcpwatch/internal/watch"
)

type liveOptions struct {
	globals *globals
	capture captureFlags
	filter  filter.Flags
	refresh time.Duration
}

func newLiveCommand(e *env, g *globals) *cobra.Command {
	o := liveOptions{globals: g}
	cmd := &cobra.Command{
		Use:   "live [FILTER]",
		Short: "Full screen: every socket, its history, what is wrong",
		Long: `Shows the sockets of this host as they change, the history of each, and what
the model thinks of it. Press ? for the keys.`,
		Example: `  sudo tcpwatch live
  sudo tcpwatch live --comm nginx
  tcpwatch live -r recording.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLive(cmd.Context(), e, &o, args)
		},
	}
	addFilterFlags(cmd, &o.filter)
	addCaptureFlags(cmd, &o.capture)
	cmd.Flags().DurationVar(&o.refresh, "refresh", tui.DefaultRefresh, "pause between two pictures")
	return cmd
}

func runLive(ctx context.Context, e *env, o *liveOptions, args []string) error {
	if _, ok := e.terminal(e.stdout); !ok {
		return usagef("stdout is not a terminal: use tcpwatch trace, or tcpwatch sockets")
	}
	f, err := compileFilter(o.filter, args)
	if err != nil {
		return err
	}
	if o.globals.replay != "" && f.AsksProcess() {
		return usagef("a recording's rows have no container, unit or command line: use trace -r or sockets -r")
	}
	s, err := o.globals.open(ctx, e, &o.capture)
	if err != nil {
		return err
	}
	defer s.close()
	return o.show(ctx, e, s, f)
}

// show runs the screen over a session until the user quits.
func (o *liveOptions) show(ctx context.Context, e *env, s *session, f *filter.Filter) error {
	f.Now = s.now()
	owners := s.owners(ownerFlags{}, f)
	table := track.New(s.tableOptions(&o.capture, o.capture.maxSockets), owners.feed(nothing{}))
	w := watch.New(s.source, table, nil)
	ended := make(chan error, 1)
	go func() { ended <- w.Run() }()

	only := f.MatchRow
	if f.AsksNothing() {
		only = nil
	}
	screen := make(chan error, 1)
	go func() {
		screen <- tui.Run(ctx, tui.Options{
			Feed: w, Refresh: o.refresh, Title: o.title(), Now: s.now(), Clock: s.clock(),
			Only: only, Compile: f.CompileRow, Attached: s.mode, Color: o.globals.color(e, e.stdout), Done: ended,
		})
	}()
	err := <-screen
	s.stop()
	w.Wait()
	return errors.Join(err, replayError(s, w.Err()))
}

func (o *liveOptions) title() string {
	if o.globals.replay != "" {
		return o.globals.replay
	}
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// now is the clock of the events, nil for a recording: its time stands still.
func (s *session) now() func() uint64 {
	if s.live == nil {
		return nil
	}
	return bootTime
}

func (s *session) clock() func(uint64) time.Time {
	return func(ns uint64) time.Time { return time.Unix(0, s.epoch+int64(ns)) }
}

func (s *session) mode() string {
	if s.live == nil {
		return "replay"
	}
	return "live"
}

// nothing is the Sink of a table that is looked at, not listened to.
type nothing struct{}

func (nothing) Observe(*track.Observation) {}
