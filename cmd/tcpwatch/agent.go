package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/metrics"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/internal/watch"
)

type agentOptions struct {
	globals *globals
	capture captureFlags
	config  string
}

func newAgentCommand(e *env, g *globals) *cobra.Command {
	o := agentOptions{globals: g}
	cmd := &cobra.Command{
		Use:   "agent --config FILE",
		Short: "Go on watching: alerts to sinks, metrics for Prometheus",
		Long: `Watches until it is told to end, evaluates the rules, tells the sinks of alerts,
and serves /metrics and /healthz, on 127.0.0.1 unless the file says otherwise.
SIGHUP has the file read again; one that is wrong changes nothing. With -r it reads
a recording, and goes on serving what that came to.`,
		Example: `  sudo tcpwatch agent --config /etc/tcpwatch/agent.yaml
  tcpwatch agent --config agent.yaml -r recording.jsonl`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			return runAgent(cmd.Context(), e, &o, hup, rulesOf)
		},
	}
	cmd.Flags().StringVar(&o.config, "config", "", "the `FILE` that says what to do (docs/agent.md)")
	addCaptureFlags(cmd, &o.capture)
	return cmd
}

// agent is a session that goes on.
type agent struct {
	o       *agentOptions
	stderr  io.Writer
	config  *agentConfig
	session *session
	watch   *watch.Watch
	metrics *metrics.Metrics
	sinks   sinkSet
	pacer   pacer
	meter   *waits.Meter
	rules   makeEvaluator
	text    string        // of the rules
	asking  chan struct{} // holds one: after the end of the stream, one alone may ask
}

func runAgent(ctx context.Context, e *env, o *agentOptions, hup <-chan os.Signal, rules makeEvaluator) error {
	if o.config == "" {
		return usagef("want --config FILE: docs/agent.md has an example")
	}
	config, err := readAgentConfig(o.config)
	if err != nil {
		return usagef("%w", err)
	}
	if _, err := rules(config.Rules, alert.Options{}); err != nil {
		return usagef("%w", err) // before anything is asked of the kernel
	}
	text, err := rulesText(config.Rules)
	if err != nil {
		return usagef("%w", err)
	}
	s, err := o.globals.open(ctx, e, &o.capture)
	if err != nil {
		return err
	}
	defer s.close()
	a := &agent{o: o, stderr: &oneByOne{w: e.stderr}, config: config, session: s, rules: rules, text: text, meter: waits.NewMeter(), asking: make(chan struct{}, 1)}
	a.sinks.stderr, a.sinks.booted = a.stderr, time.Unix(0, s.epoch)
	a.pacer.tell = a.sinks.tell
	if err := a.sinks.replace(config.Sinks); err != nil {
		return usagef("%w", err)
	}
	defer a.sinks.close()
	ev, err := a.rules(config.Rules, a.ruleOptions())
	if err != nil {
		return usagef("%w", err)
	}
	a.pacer.use(ev, config.Every)
	return a.run(ctx, hup)
}

// run watches, and serves, until ctx ends or the stream fails.
func (a *agent) run(ctx context.Context, hup <-chan os.Signal) error {
	a.metrics = metrics.New(a.metricsOptions())
	table := track.New(a.session.tableOptions(&a.o.capture, 0), both{a.metrics, &a.pacer})
	a.watch = watch.New(a.session.source, table, nil)
	server, failed, err := a.serve()
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- a.watch.Run() }()
	a.notify(daemon.SdNotifyReady)
	err = a.loop(ctx, hup, ended, failed)
	a.notify(daemon.SdNotifyStopping)
	if server != nil {
		server.close()
	}
	a.session.stop()
	a.watch.Wait()
	a.pacer.last(table.Time())
	a.o.globals.summarize(a.stderr, a.session, table.Stats(), 0)
	return errors.Join(err, replayError(a.session, a.watch.Err()))
}

// serve starts the server; nil if the config wants none.
func (a *agent) serve() (*webServer, <-chan error, error) {
	if a.config.Listen == listenOff {
		return nil, nil, nil
	}
	server, err := startWeb(a.config, a.stderr, a.metrics.Handler(nil), a.healthy)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(a.stderr, "listening on %s\n", server.listener.Addr())
	return server, server.failed, nil
}

// loop returns when the agent is to end.
func (a *agent) loop(ctx context.Context, hup <-chan os.Signal, ended, failed <-chan error) error {
	tick := time.NewTicker(a.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return webFailure(err)
		case <-ended:
			if a.session.live != nil || a.watch.Err() != nil {
				return nil // of --for, or an error, which run tells
			}
			fmt.Fprintln(a.stderr, "the recording has ended: serving what it came to")
			ended = nil
		case <-hup:
			a.reload()
			tick.Reset(a.config.Every)
		case <-tick.C:
			if a.session.live != nil { // a recording's time goes with its events
				a.evaluate(ctx)
			}
		}
	}
}

// evaluate takes stock, and has the rules look at it: most of the work is not that of
// the goroutine that reads the ring.
func (a *agent) evaluate(ctx context.Context) {
	var there copies
	var now uint64
	err := a.ask(ctx, func(t *track.Table) {
		now = t.Time()
		t.Inventory(now, &there)
	})
	if err != nil {
		return // it is about to end
	}
	settings := newAdministration()
	c := waits.New(waits.Options{Settings: settings.settings, Bound: settings.bound, NAT: settings.nat})
	for i := range there {
		c.Observe(&there[i])
	}
	r := c.Report(now)
	a.meter.Measure(r)
	a.pacer.inventory(r)
	a.pacer.tick(now)
}

func (a *agent) ruleOptions() alert.Options {
	o := alert.Options{Booted: a.sinks.booted}
	if p := a.session.probe; p != nil {
		o.ResetReason = p.Features.ResetReasonName
	}
	return o
}

// reload reads the config again. All of it is taken, or nothing.
func (a *agent) reload() {
	a.notify(daemon.SdNotifyReloading + "\nMONOTONIC_USEC=" + strconv.FormatUint(monotonic()/1000, 10))
	defer a.notify(daemon.SdNotifyReady)
	config, err := readAgentConfig(a.o.config)
	var ev evaluator
	var text string
	if err == nil {
		ev, err = a.rules(config.Rules, a.ruleOptions())
	}
	if err == nil {
		text, err = rulesText(config.Rules)
	}
	if err == nil {
		err = a.sinks.replace(config.Sinks)
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "reload: %v: nothing has changed\n", err)
		return
	}
	if text == a.text {
		a.pacer.pace(config.Every)
	} else {
		a.text = text
		a.pacer.use(ev, config.Every)
		a.sinks.resolve(time.Now()) // the new rules know of none; what still holds fires again
	}
	old := a.config
	a.config = config
	if old.Listen != config.Listen || old.WebConfig != config.WebConfig || old.Groups != config.Groups || old.MaxSeries != config.MaxSeries {
		fmt.Fprintln(a.stderr, "reload: listen, web_config, groups and max_series change at the next start")
	}
	fmt.Fprintln(a.stderr, "reload: done")
}

// notify tells the service manager, if there is one.
func (a *agent) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		fmt.Fprintf(a.stderr, "notify the service manager: %v\n", err)
	}
}

// ask is watch.Ask for several goroutines.
func (a *agent) ask(ctx context.Context, question func(*track.Table)) error {
	select {
	case a.asking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-a.asking }()
	return a.watch.Ask(ctx, question)
}

// healthy reports whether the stream is read: whoever reads it answers.
func (a *agent) healthy(ctx context.Context) error {
	if err := a.ask(ctx, func(*track.Table) {}); err != nil {
		return errors.New("the stream of events is not read")
	}
	return nil
}

func (a *agent) metricsOptions() metrics.Options {
	o := metrics.Options{
		Version: version, Revision: strings.Trim(revision(), " ()"), GoVersion: runtime.Version(), Process: true,
		Now: a.session.now(), Groups: a.config.Groups, MaxSeries: a.config.MaxSeries,
		Sinks: a.sinks.counts, Alerts: a.sinks.alerts,
		Look: func(ctx context.Context, take func(metrics.Table)) error {
			return a.ask(ctx, func(t *track.Table) { take(t) })
		},
	}
	if a.session.probe != nil {
		o.Programs = a.programs
	}
	return o
}

// programs are the kernel's, by hook, for the metrics; none if they cannot be read.
func (a *agent) programs() (all []metrics.Program) {
	counters, err := a.session.probe.Counters()
	if err != nil {
		return nil
	}
	at := map[string]int{}
	for _, c := range counters {
		i, ok := at[c.Hook]
		if !ok {
			i = len(all)
			at[c.Hook] = i
			all = append(all, metrics.Program{Name: c.Hook})
		}
		all[i].Seen += c.Seen + c.Nested
		all[i].Filtered += c.Filtered
	}
	return all
}

// oneByOne is a Writer for several goroutines.
type oneByOne struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneByOne) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(b)
}

// monotonic is CLOCK_MONOTONIC, in ns, which the service manager orders reloads by.
func monotonic() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return uint64(ts.Nano())
}
