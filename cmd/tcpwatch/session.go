package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// captureFlags say how to watch the kernel.
type captureFlags struct {
	ringSize   int
	maxSockets int
	duration   time.Duration
	timeWait   string
	ancestor   uint32 // see probe.Options
	stacks     bool
	lives      bool // see probe.Options
}

// timeWaits are the ways to follow TIME_WAIT, as --time-wait names them.
var timeWaits = map[string]probe.TimeWait{"timers": probe.TimeWaitTimers, "looks": probe.TimeWaitOff}

func addCaptureFlags(cmd *cobra.Command, to *captureFlags) {
	f := cmd.Flags()
	f.IntVar(&to.ringSize, "ring-size", probe.DefaultRingSize, "bytes of the kernel's ring buffer, a power of two")
	f.IntVar(&to.maxSockets, "max-sockets", track.DefaultMaxSockets, "how many sockets to remember, open and closed")
	f.StringVar(&to.timeWait, "time-wait", "timers", "how to follow TIME_WAIT: timers (each beginning and end, and why), or looks (what an inventory finds every few seconds)")
	f.DurationVar(&to.duration, "for", 0, "end after this long, such as 30s")
}

func (c *captureFlags) check() error {
	o := probe.Options{RingSize: c.ringSize}
	if err := o.Validate(); err != nil {
		return usagef("%w", err)
	}
	if c.maxSockets < 1 || c.maxSockets > 1<<28 {
		return usagef("check --max-sockets %d: want 1 to %d", c.maxSockets, 1<<28)
	}
	if _, ok := timeWaits[c.timeWait]; !ok {
		return usagef("check --time-wait %q: want timers or looks", c.timeWait)
	}
	if c.duration < 0 {
		return usagef("check --for %v: want a positive duration", c.duration)
	}
	return nil
}

// session is a Source that is being watched, and what belongs to it.
type session struct {
	source      events.Source
	live        *probe.Live // nil on replay
	probe       *probe.Probe
	epoch       int64 // wall clock at 0 of the events' clock, ns since 1970
	resetReason func(uint32) string
	closers     []func() error
}

// open opens the kernel, or the recording that -r names.
func (g *globals) open(ctx context.Context, e *env, c *captureFlags) (*session, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if g.replay != "" {
		return openRecording(e, g.replay)
	}
	if err := g.checkTypes(); err != nil {
		return nil, err
	}
	p, err := probe.Load(probe.Options{RingSize: c.ringSize, BTF: g.btf, TimeWait: timeWaits[c.timeWait], Ancestor: c.ancestor, Stacks: c.stacks, Lives: c.lives})
	if err != nil {
		return nil, err
	}
	live, err := p.Live(ctx)
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	s := &session{
		source: live, live: live, probe: p,
		epoch: epoch(e), resetReason: p.Features.ResetReasonName,
		closers: []func() error{live.Close, p.Close},
	}
	// The kernel's types took several times what a watch takes.
	tidy := time.AfterFunc(tidyAfter, debug.FreeOSMemory)
	s.closers = append(s.closers, func() error { tidy.Stop(); return nil })
	// Ctrl-C and --for stop the stream; what has happened is still delivered.
	stop := context.AfterFunc(ctx, live.Stop)
	s.closers = append(s.closers, func() error { stop(); return nil })
	if f, ok := e.stdout.(*os.File); ok {
		cancel := whenUnread(f, live.Stop)
		s.closers = append(s.closers, func() error { cancel(); return nil })
	}
	if c.duration > 0 {
		timer := time.AfterFunc(c.duration, live.Stop)
		s.closers = append(s.closers, func() error { timer.Stop(); return nil })
	}
	return s, nil
}

// tidyAfter is when what loading has taken is given back: a short run needs no such
// pause.
const tidyAfter = 2 * time.Second

func openRecording(e *env, name string) (*session, error) {
	in := e.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usagef("open recording: %w", err)
		}
		in = f
	}
	r, err := record.NewReader(in)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return &session{source: r, epoch: r.Epoch, resetReason: r.ResetReason, closers: []func() error{r.Close}}, nil
}

// epoch returns the wall clock at 0 of the boot clock.
func epoch(e *env) int64 {
	return e.now().UnixNano() - int64(bootTime())
}

// bootTime is the time on the clock of the events, in ns since boot.
func bootTime() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail for this clock
	return uint64(ts.Nano())
}

// tableOptions fits a table to the session.
func (s *session) tableOptions(c *captureFlags, keepClosed int) track.Options {
	return track.Options{
		MaxSockets: c.maxSockets, KeepClosed: keepClosed,
		Replay: s.live == nil, ResetReason: s.resetReason,
	}
}

// stop ends a live stream early.
func (s *session) stop() {
	if s.live != nil {
		s.live.Stop()
	}
}

func (s *session) close() {
	for _, c := range s.closers {
		_ = c()
	}
}

// summarize says on stderr whether what was shown is all there was.
func (g *globals) summarize(w io.Writer, s *session, stats track.Stats, queueLost uint64) {
	if g.quiet {
		return
	}
	stats.Lost[events.WhereQueue] += queueLost
	fmt.Fprintf(w, "%d transitions, %d sockets closed: %s\n", stats.Transitions, sum(stats.Ends[:]), stats.Completeness())
	if stats.Evicted > 0 {
		fmt.Fprintf(w, "%d closed sockets forgotten to make room: --max-sockets keeps more\n", stats.Evicted)
	}
	if s.probe == nil {
		return
	}
	for _, loss := range append(s.probe.Losses, s.live.Losses()...) {
		fmt.Fprintf(w, "not seen: %s (%s)\n", loss.What, loss.Why)
	}
	if g.verbose {
		printCounters(w, s.probe)
	}
}

func printCounters(w io.Writer, p *probe.Probe) {
	counters, err := p.Counters()
	if err != nil {
		fmt.Fprintf(w, "counters: %v\n", err)
		return
	}
	for _, c := range counters {
		fmt.Fprintf(w, "%-20s fired %d = seen %d + nested %d; filtered %d, ring full %d, rescued %d\n",
			c.Hook, c.Seen+c.Nested, c.Seen, c.Nested, c.Filtered, c.Lost, c.Rescued)
	}
}

func sum(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}
