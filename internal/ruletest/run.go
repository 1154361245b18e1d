package ruletest

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
)

// Failure is what a test expected, and was not so.
type Failure struct {
	File string
	Line int
	Test string
	Text string
}

func (f *Failure) Error() string {
	name := f.Test
	if name == "" {
		name = "test"
	}
	return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, name, f.Text)
}

// ReadFile reads a file whole, as os.ReadFile does.
type ReadFile func(name string) ([]byte, error)

// Run runs the tests of a file. The files it names lie beside it. An error is a file
// that cannot be read; what fails is returned.
func Run(f *File, files ReadFile) (failures []Failure, err error) {
	for i := range f.Tests {
		t := &f.Tests[i]
		rules, err := f.rules(files)
		if err != nil {
			return nil, err
		}
		r := run{file: f, test: t, engine: alert.New(rules, alert.Options{Booted: booted}), changes: map[string][]string{}}
		if err := r.run(files); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", f.Name, t.Line, err)
		}
		failures = append(failures, r.failures...)
	}
	return failures, nil
}

// rules reads the files that the tests are about.
func (f *File) rules(files ReadFile) ([]alert.Rule, error) {
	sets := [][]alert.Rule{alert.Builtin()}
	for _, name := range f.RuleFiles {
		text, err := files(f.beside(name))
		if err != nil {
			return nil, fmt.Errorf("%s: read rules: %w", f.Name, err)
		}
		rules, err := alert.Parse(f.beside(name), text)
		if err != nil {
			return nil, err
		}
		sets = append(sets, rules)
	}
	return alert.Merge(sets...), nil
}

// beside returns the path of a file that f names.
func (f *File) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(f.Name), name)
}

// run is one test under way.
type run struct {
	file      *File
	test      *Test
	engine    *alert.Engine
	listeners listeners
	changes   map[string][]string
	failures  []Failure
}

func (r *run) run(files ReadFile) error {
	s, err := r.open(files)
	if err != nil {
		return err
	}
	steps := int(r.until() / r.file.Interval)
	if steps > maxSteps {
		return fmt.Errorf("run test: %d evaluations, want at most %d: choose a longer evaluation_interval", steps, maxSteps)
	}
	table := track.New(track.Options{Replay: true}, r.engine)
	checks := slices.Clone(r.test.Checks)
	slices.SortStableFunc(checks, func(a, b Check) int { return int(a.Time - b.Time) })
	for step := 0; step <= steps+1; step++ {
		at := time.Duration(step) * r.file.Interval
		for len(checks) > 0 && checks[0].Time < at { // as of the evaluation before
			r.check(&checks[0])
			checks = checks[1:]
		}
		if err := r.step(s, table, uint64(uptime+at)); err != nil {
			return err
		}
	}
	r.compareChanges()
	return nil
}

// open returns the events of the test.
func (r *run) open(files ReadFile) (*story, error) {
	if r.test.Recording == "" {
		text, err := script(r.test.Scripts)
		if err != nil {
			return nil, err
		}
		source, err := record.NewReader(bytes.NewReader(text))
		return &story{source: source}, err
	}
	if len(r.test.Scripts) > 0 {
		return nil, fmt.Errorf("run test: want either events or a recording")
	}
	text, err := files(r.file.beside(r.test.Recording))
	if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	source, err := record.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	s := &story{source: source}
	var first events.Event
	if source.Next(&first) == nil {
		s.shift = int64(uptime) - int64(first.Time)
		first.Time = uint64(uptime)
		s.pending = &first
	}
	return s, nil
}

// until is when the test ends.
func (r *run) until() (end time.Duration) {
	for i := range r.test.Checks {
		end = max(end, r.test.Checks[i].Time)
	}
	for i := range r.test.Scripts {
		s := &r.test.Scripts[i]
		end = max(end, s.At+time.Duration(s.Times)*s.Every)
	}
	if len(r.test.Changes) > 0 {
		end += settling
	}
	return end
}

// settling is for how long after its last event a test watches what changes.
const settling = 15 * time.Minute

// anyAlert is what exp_changes calls all alerts together.
const anyAlert = "*"

// step goes on to a time, in ns since boot, and looks at the rules.
func (r *run) step(s *story, table *track.Table, now uint64) error {
	apply := func(ev *events.Event) {
		if !r.listeners.take(ev, r.engine) {
			table.Apply(ev)
		}
	}
	if err := s.tell(now, apply); err != nil {
		return err
	}
	if r.test.Recording == "" { // a recording has its own lines for the ends of lives
		table.Apply(&events.Event{Kind: events.Tick, Time: now})
	}
	c := waits.New(waits.Options{Settings: r.settings})
	table.Inventory(now, c)
	r.listeners.list(c)
	r.engine.Inventory(c.Report(now))
	for _, a := range r.engine.Tick(now) {
		for _, name := range []string{a.Rule, anyAlert} {
			r.changes[name] = append(r.changes[name], string(a.Status))
		}
	}
	return nil
}

// settings are those of every network namespace of the test.
func (r *run) settings(uint32) *waits.Settings {
	return &waits.Settings{
		PortLow: uint16(r.test.PortRange[0]), PortHigh: uint16(r.test.PortRange[1]), FinTimeout: 60e9, MaxTWBuckets: 65536,
	}
}

func (r *run) fail(line int, format string, args ...any) {
	r.failures = append(r.failures, Failure{r.file.Name, line, r.test.Name, fmt.Sprintf(format, args...)})
}

// check compares the alerts of one name with those expected, in any order.
func (r *run) check(c *Check) {
	have := slices.DeleteFunc(r.engine.Active(), func(a alert.Alert) bool { return a.Rule != c.Alert })
	for i := range c.Expect {
		x := &c.Expect[i]
		k := slices.IndexFunc(have, func(a alert.Alert) bool { return maps.Equal(a.Labels, x.Labels) })
		if k < 0 {
			r.fail(c.Line, "at %s: no alert %s %s; there are: %s", alert.FormatDuration(c.Time), c.Alert, labelText(x.Labels), alertTexts(have))
			continue
		}
		r.compare(c, x, &have[k])
		have = slices.Delete(have, k, k+1)
	}
	if len(have) > 0 {
		r.fail(c.Line, "at %s: not expected: %s", alert.FormatDuration(c.Time), alertTexts(have))
	}
}

func (r *run) compare(c *Check, x *Expected, a *alert.Alert) {
	at := alert.FormatDuration(c.Time)
	for _, name := range slices.Sorted(maps.Keys(x.Annotations)) {
		if a.Annotations[name] != x.Annotations[name] {
			r.fail(c.Line, "at %s: %s has the annotation %s %q, want %q", at, c.Alert, name, a.Annotations[name], x.Annotations[name])
		}
	}
	if x.Value != nil && a.Value != *x.Value {
		r.fail(c.Line, "at %s: %s has the value %v, want %v", at, c.Alert, a.Value, *x.Value)
	}
	if x.Lost != nil && a.Lost != uint64(*x.Lost) {
		r.fail(c.Line, "at %s: %s lost %d events, want %d", at, c.Alert, a.Lost, *x.Lost)
	}
	if x.Top != nil && (len(a.Top) == 0 || a.Top[0].Comm != *x.Top) {
		r.fail(c.Line, "at %s: the largest holder of %s is %v, want %q", at, c.Alert, a.Top, *x.Top)
	}
}

func (r *run) compareChanges() {
	for _, name := range slices.Sorted(maps.Keys(r.test.Changes)) {
		if want := r.test.Changes[name]; !slices.Equal(r.changes[name], want) {
			r.fail(r.test.Line, "%s was told as [%s], want [%s]", name, strings.Join(r.changes[name], " "), strings.Join(want, " "))
		}
	}
}

func alertTexts(all []alert.Alert) string {
	if len(all) == 0 {
		return "none"
	}
	var texts []string
	for i := range all {
		texts = append(texts, all[i].Rule+" "+labelText(all[i].Labels))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, fmt.Sprintf("%s=%q", name, labels[name]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
