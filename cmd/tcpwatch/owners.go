package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/cgroup"
	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/netns"
	"github.com/tcpwatch/tcpwatch/internal/sink"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// ownerFlags say what to find out about owners.
type ownerFlags struct {
	cmdline bool
}

func addOwnerFlags(cmd *cobra.Command, to *ownerFlags) {
	cmd.Flags().BoolVar(&to.cmdline, "cmdline", false, "json: add the owner's command line, which may hold secrets")
}

// owners finds out where the owners of sockets run. One of a recording is nil:
// what was known is in the lines.
type owners struct {
	resolver *cgroup.Resolver
	ahead    *cgroup.Ahead
	names    netns.Names
	await    bool // a question depends on it: look rather than leave it open
}

// owners starts to find out, and has the filter know it.
func (s *session) owners(o ownerFlags, f *filter.Filter) *owners {
	if s.live == nil {
		return nil
	}
	f.Self = uint32(os.Getpid())
	w := &owners{resolver: cgroup.NewResolver(cgroup.Options{Cmdline: o.cmdline}), await: f.AsksProcess()}
	w.ahead = cgroup.NewAhead(w.resolver)
	s.closers = append(s.closers, w.ahead.Close)
	f.Process = w.look
	return w
}

func (w *owners) look(o *events.Owner) *events.Process {
	if !o.Named() {
		return nil
	}
	return w.resolver.Look(o.PID, o.Seen)
}

// feed returns a Sink before to that has owners looked at before their lines are
// written.
func (w *owners) feed(to track.Sink) track.Sink {
	if w == nil {
		return to
	}
	return &feeder{w, to}
}

type feeder struct {
	owners *owners
	to     track.Sink
}

// Observe implements track.Sink. It runs in the goroutine that reads the ring.
func (f *feeder) Observe(o *track.Observation) {
	f.owners.ahead.Ask(&o.Owner, o.Event.Time)
	f.to.Observe(o)
}

// described returns a Writer before to that adds what is known of owners.
func (w *owners) described(to sink.Writer) sink.Writer {
	if w == nil {
		return to
	}
	return &describer{w, to}
}

type describer struct {
	owners *owners
	to     sink.Writer
}

func (d *describer) Write(o *track.Observation) error {
	d.owners.describe(o)
	return d.to.Write(o)
}

func (d *describer) Flush() error { return d.to.Flush() }

func (w *owners) describe(o *track.Observation) {
	if o.Event.Netns != 0 {
		o.NetnsName = w.names.Of(o.Event.Netns, o.Event.Time)
	}
	if !o.Owner.Named() {
		return
	}
	if w.await {
		o.Process = w.look(&o.Owner)
	} else {
		o.Process = w.resolver.Known(o.Owner.PID, o.Owner.Seen)
	}
}
