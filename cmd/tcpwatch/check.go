package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/check"
	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/sink"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/internal/watch"
	"github.com/tcpwatch/tcpwatch/model"
)

type checkOptions struct {
	globals   *globals
	capture   captureFlags
	filter    filter.Flags
	failOn    string
	junit     string
	nagios    bool
	closeWait int
	ages      []string
	pressure  float64
}

func newCheckCommand(e *env, g *globals) *cobra.Command {
	o := checkOptions{globals: g}
	cmd := &cobra.Command{
		Use:   "check [FILTER] [-- COMMAND ARG…]",
		Short: "Watch for a while, or while a command runs, and say by the exit code whether all was in order",
		Long: `Watches the sockets of a command and of its descendants while it runs, or with
--for those of the whole host, and prints the history of each whose life was not
in order. Exit codes: 0 all in order; 1 something at or above --fail-on, or a limit
passed; 4 nothing found, but events were lost; 5 the command itself failed, and its
exit code is printed; 2 and 3 as everywhere.

With --nagios it prints one line for Nagios, and ends with the exit codes that
Nagios expects: 0, 1 (a limit), 2 (a connection), 3 (not proven).`,
		Example: `  sudo tcpwatch check -- curl -s https://example.com/
  sudo tcpwatch check --for 30s --port 443 --fail-on impossible
  sudo tcpwatch check --for 10s --max-close-wait 50 --max-age CLOSE_WAIT=60s --nagios
  sudo tcpwatch check --junit report.xml -- make test`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			words, command := args, []string(nil)
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				words, command = args[:n], args[n:]
			}
			return runCheck(cmd.Context(), e, &o, words, command)
		},
	}
	addFilterFlags(cmd, &o.filter)
	addCaptureFlags(cmd, &o.capture)
	f := cmd.Flags()
	f.StringVar(&o.failOn, "fail-on", "abnormal", "the least verdict that is a failure: notable, abnormal or impossible")
	f.StringVar(&o.junit, "junit", "", "write the result to a `FILE`, as JUnit does")
	f.BoolVar(&o.nagios, "nagios", false, "one line and exit codes for Nagios")
	f.IntVar(&o.closeWait, "max-close-wait", -1, "how many sockets may be in CLOSE_WAIT at the end; below 0: any number")
	f.StringSliceVar(&o.ages, "max-age", nil, "how long a socket may be in a state, as `STATE=DURATION`")
	f.Float64Var(&o.pressure, "max-port-pressure", 0, "which part of the ports towards one destination may be taken, 0 to 1; 0: any")
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions(failures, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var failures = []string{"notable", "abnormal", "impossible"}

// limits reads the flags that set them.
func (o *checkOptions) limits() (check.Limits, error) {
	l := check.Limits{CloseWait: o.closeWait, Age: map[model.State]time.Duration{}, Pressure: o.pressure}
	for _, text := range o.ages {
		state, d, err := check.ParseAge(text)
		if err != nil {
			return l, usagef("parse --max-age %q: %w", text, err)
		}
		l.Age[state] = d
	}
	if o.pressure < 0 || o.pressure > 1 {
		return l, usagef("check --max-port-pressure %v: want 0 to 1", o.pressure)
	}
	return l, nil
}

func runCheck(ctx context.Context, e *env, o *checkOptions, words, command []string) error {
	if !slices.Contains(failures, o.failOn) {
		return usagef("check --fail-on %q: want %s", o.failOn, strings.Join(failures, ", "))
	}
	failOn, _ := model.ParseVerdict(o.failOn)
	limits, err := o.limits()
	if err != nil {
		return err
	}
	f, err := compileFilter(o.filter, words)
	if err != nil {
		return err
	}
	switch {
	case len(command) == 0 && o.capture.duration == 0 && o.globals.replay == "":
		return usagef("check what: want --for DURATION, a recording (-r), or -- COMMAND")
	case len(command) > 0 && (o.capture.duration != 0 || o.globals.replay != "" || o.nagios):
		return usagef("check -- COMMAND: watches as long as that runs, and takes neither --for nor -r nor --nagios")
	}
	if len(command) > 0 {
		if command[0], err = exec.LookPath(command[0]); err != nil {
			return usagef("run command: %w", err)
		}
	}
	t := &inspection{o: o, env: e, filter: f, limits: limits, command: command}
	t.checker = &check.Checker{FailOn: failOn, Ours: t.ours}
	return t.run(ctx)
}

// inspection is one run of check.
type inspection struct {
	o       *checkOptions
	env     *env
	filter  *filter.Filter
	limits  check.Limits
	command []string
	checker *check.Checker
	session *session
	table   *track.Table
	owners  *owners
	ended   error // of the command
}

// ours reports whether a life is asked about. It may look at its owner's process:
// not in the goroutine that reads the ring.
func (t *inspection) ours(o *track.Observation) bool {
	if len(t.command) > 0 && (o.Socket == nil || !o.Socket.Is(track.Descends)) {
		return false
	}
	if t.owners != nil && t.filter.AsksProcess() {
		t.owners.describe(o)
	}
	return t.filter.Match(o)
}

func (t *inspection) run(ctx context.Context) (err error) {
	if len(t.command) > 0 {
		t.o.capture.ancestor = uint32(os.Getpid())
		// What the command leaves behind stays below this process.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("adopt orphans: %w", err)
		}
	}
	t.session, err = t.o.globals.open(ctx, t.env, &t.o.capture)
	if err != nil {
		return err
	}
	defer t.session.close()
	if p := t.session.probe; p != nil && len(t.command) > 0 && !p.Features.Has(probe.TaskBTF) {
		return fmt.Errorf("follow a command: the kernel has no %s (Linux 5.11); use --for and a FILTER", probe.TaskBTF)
	}
	t.filter.ResetReason = t.session.resetReason
	t.owners = t.session.owners(ownerFlags{}, t.filter)
	queue := sink.NewQueue(t.checker, nil)
	t.table = track.New(t.session.tableOptions(&t.o.capture, 0), &endsOnly{&sieve{t.filter, t.owners.feed(queue)}})
	w := watch.New(t.session.source, t.table, nil)
	done := make(chan error, 1)
	go func() { done <- w.Run() }()
	if len(t.command) > 0 {
		t.ended = t.execute(ctx)
		t.awaitEnds(ctx, w)
		t.session.stop()
	}
	if err := errors.Join(replayError(t.session, <-done), queue.Close()); err != nil {
		return err
	}
	return t.conclude()
}

// execute runs the command to its end.
func (t *inspection) execute(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, t.command[0], t.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.env.stdin, t.env.stdout, t.env.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd.Run()
}

// lastWords is how long the sockets that a command has left may take to end before
// they are judged as they are.
const lastWords = 200 * time.Millisecond

// awaitEnds waits until no socket of the command is in the middle of its end.
func (t *inspection) awaitEnds(ctx context.Context, w *watch.Watch) {
	const pause = 2 * time.Millisecond
	ended := bootTime()
	for until := time.Now().Add(lastWords); time.Now().Before(until); time.Sleep(pause) {
		open, upTo := false, uint64(0)
		err := w.Ask(ctx, func(table *track.Table) {
			upTo = table.Time()
			for _, row := range table.Rows(nil) {
				if row.Facts&track.Descends != 0 && row.EndTime == 0 && row.State != model.Listen && row.State != model.TimeWait {
					open = true
				}
			}
		})
		if err != nil || !open && upTo >= ended {
			return
		}
	}
}

// conclude prints the result and turns it into an exit code.
func (t *inspection) conclude() error {
	now := t.table.Time()
	r := t.checker.Result(t.table, now)
	t.limits.Apply(r, t.rows(), t.ports(now), now)
	if t.o.junit != "" {
		if err := t.writeJUnit(r); err != nil {
			return err
		}
	}
	if t.o.nagios {
		line, code := r.Nagios()
		if _, err := fmt.Fprintln(t.env.stdout, line); err != nil {
			return err
		}
		return silentCode(code)
	}
	if err := t.print(r); err != nil {
		return err
	}
	return silentCode(t.code(r))
}

// code is the exit code of the public contract.
func (t *inspection) code(r *check.Result) int {
	switch {
	case !r.Passed():
		return exitFound
	case !r.Proven():
		return exitUnproven
	case t.ended != nil:
		return exitCommand
	}
	return exitOK
}

// rows are those of the sockets that are asked about.
func (t *inspection) rows() (some []track.Row) {
	for _, row := range t.table.Rows(nil) {
		if s, ok := t.table.Socket(&row); ok && t.ours(s.Observation(t.table.Time())) {
			some = append(some, row)
		}
	}
	return some
}

// ports tells how many are taken, if that is limited.
func (t *inspection) ports(now uint64) []waits.Pressure {
	if t.limits.Pressure == 0 || t.session.live == nil {
		return nil
	}
	a := newAdministration()
	c := waits.New(waits.Options{Settings: a.settings, Bound: a.bound})
	t.table.Inventory(now, &sifted{filter: t.filter, to: c})
	return c.Report(now).Pressure
}

func (t *inspection) writeJUnit(r *check.Result) error {
	var b bytes.Buffer
	err := r.WriteJUnit(&b, func(s *check.Story) string {
		var text bytes.Buffer
		_ = t.card(&text, s, false) // a Buffer does not fail
		return text.String()
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(t.o.junit, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write --junit: %w", err)
	}
	return nil
}

func (t *inspection) card(w io.Writer, s *check.Story, color bool) error {
	h := view.History{Epoch: t.session.epoch, Location: time.Local}
	h.Style.Color = color
	return h.Card(w, &s.Socket, s.Time)
}

// storiesTold is how many histories are printed; -v prints all that are kept.
const storiesTold = 10

// print writes the histories and the outcome: on stderr where stdout is the
// command's.
func (t *inspection) print(r *check.Result) error {
	out := t.env.stdout
	if len(t.command) > 0 {
		out = t.env.stderr
	}
	told := min(len(r.Stories), storiesTold)
	if t.o.globals.verbose {
		told = len(r.Stories)
	}
	for i := range told {
		if err := t.card(out, &r.Stories[i], t.o.globals.color(t.env, out)); err != nil {
			return err
		}
	}
	var b strings.Builder
	if n := r.Failed - told; n > 0 {
		fmt.Fprintf(&b, "… and %d more\n", n)
	}
	for _, breach := range r.Breaches {
		fmt.Fprintf(&b, "--%s: %s\n", breach.Limit, breach.Text)
	}
	if t.ended != nil {
		fmt.Fprintf(&b, "the command failed: %v\n", t.ended)
	}
	if !t.o.globals.quiet {
		fmt.Fprintf(&b, "%s\n", r.Summary())
		stats := t.table.Stats()
		if !r.Proven() {
			fmt.Fprintf(&b, "not proven: %s\n", stats.Completeness())
		}
		if p := t.session.probe; p != nil {
			for _, loss := range p.Losses {
				fmt.Fprintf(&b, "not seen: %s (%s)\n", loss.What, loss.Why)
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// silentCode ends the program with a code, and says nothing more.
func silentCode(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code, errSaid}
}

// errSaid is the error of a command that has said what there is to say.
var errSaid = errors.New("said")
