// Package ruletest runs the unit tests of alert rules: files, shaped as promtool's,
// that say what happens and which alerts there are to be when. The clock is the
// test's own.
package ruletest

import (
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

// File is one file of unit tests.
type File struct {
	Name      string
	RuleFiles []string // relative to the file; none: the built-in rules alone
	Interval  time.Duration
	Tests     []Test
}

// Test is one story, and what it is to lead to.
type Test struct {
	Name      string
	Line      int
	Recording string // relative to the file
	Scripts   []Script
	PortRange [2]int
	Checks    []Check
	Changes   map[string][]string // of each alert, all statuses that it is told with
}

// Script is one line of a story, or many like it.
type Script struct {
	At, Every time.Duration
	Times     int
	Vary      []string // fields that grow by one each time
	Event     map[string]any
	Line      int
}

// Check is which alerts of one name there are at one time.
type Check struct {
	Line   int
	Time   time.Duration
	Alert  string
	Expect []Expected
}

// Expected is one alert. Nil, or less than 0, is not asked.
type Expected struct {
	Labels      map[string]string
	Annotations map[string]string
	Value       *float64
	Lost        *int
	Top         *string // the comm of the largest holder
}

// What bounds a test.
const (
	maxTimes    = 100_000
	maxLines    = 300_000
	maxInterval = time.Hour
	maxSteps    = 100_000
)

// DefaultInterval is how often rules are looked at where the file does not say it.
const DefaultInterval = 10 * time.Second

// reader reads one file.
type reader struct{ *alert.Document }

// Parse reads a file of tests. Its error has a line for each mistake, with the place.
func Parse(name string, text []byte) (*File, error) {
	f := &File{Name: name, Interval: DefaultInterval}
	d, root := alert.NewDocument(name, text)
	r := reader{d}
	if root != nil {
		r.Mapping(root, map[string]func(*yaml.Node){
			"rule_files":          func(n *yaml.Node) { r.Texts(n, &f.RuleFiles) },
			"evaluation_interval": func(n *yaml.Node) { r.Duration(n, time.Second, &f.Interval) },
			"tests": func(n *yaml.Node) {
				r.Items(n, func(item *yaml.Node) { f.Tests = append(f.Tests, r.test(item)) })
			},
		})
		if f.Interval > maxInterval {
			r.At(root, "evaluation_interval: want at most %s", alert.FormatDuration(maxInterval))
		}
		if len(f.Tests) == 0 {
			r.At(root, "no tests")
		}
	}
	return f, r.Err()
}

func (r reader) test(n *yaml.Node) Test {
	t := Test{Line: n.Line, PortRange: [2]int{32768, 60999}, Changes: map[string][]string{}}
	r.Mapping(n, map[string]func(*yaml.Node){
		"name":      func(n *yaml.Node) { r.Text(n, &t.Name) },
		"recording": func(n *yaml.Node) { r.Text(n, &t.Recording) },
		"port_range": func(n *yaml.Node) {
			i := 0
			r.Items(n, func(item *yaml.Node) {
				if i < len(t.PortRange) {
					r.Number(item, 1, 65535, &t.PortRange[i])
				}
				i++
			})
			if i != len(t.PortRange) || t.PortRange[0] > t.PortRange[1] {
				r.At(n, "port_range: want the first and the last port, such as [32768, 60999]")
			}
		},
		"events": func(n *yaml.Node) {
			r.Items(n, func(item *yaml.Node) { t.Scripts = append(t.Scripts, r.script(item)) })
		},
		"alert_rule_test": func(n *yaml.Node) {
			r.Items(n, func(item *yaml.Node) { t.Checks = append(t.Checks, r.check(item)) })
		},
		"exp_changes": func(n *yaml.Node) {
			r.Pairs(n, func(key, value *yaml.Node) {
				all := []string{}
				r.Texts(value, &all)
				t.Changes[key.Value] = all
			})
		},
	})
	if len(t.Checks) == 0 && len(t.Changes) == 0 {
		r.At(n, "the test expects nothing: want alert_rule_test or exp_changes")
	}
	return t
}

func (r reader) script(n *yaml.Node) Script {
	s := Script{Times: 1, Line: n.Line}
	r.Mapping(n, map[string]func(*yaml.Node){
		"at":    func(n *yaml.Node) { r.Duration(n, 0, &s.At) },
		"every": func(n *yaml.Node) { r.Duration(n, 0, &s.Every) },
		"times": func(n *yaml.Node) { r.Number(n, 1, maxTimes, &s.Times) },
		"vary":  func(n *yaml.Node) { r.Texts(n, &s.Vary) },
		"event": func(n *yaml.Node) {
			if err := n.Decode(&s.Event); err != nil {
				r.At(n, "event: want the fields of a JSON line")
			}
		},
	})
	if _, ok := s.Event["event"].(string); !ok {
		r.At(n, "want an event, with the fields of a JSON line: event: {event: transition, from: …}")
	}
	return s
}

func (r reader) check(n *yaml.Node) Check {
	c := Check{Line: n.Line}
	r.Mapping(n, map[string]func(*yaml.Node){
		"eval_time": func(n *yaml.Node) { r.Duration(n, 0, &c.Time) },
		"alertname": func(n *yaml.Node) { r.Text(n, &c.Alert) },
		"exp_alerts": func(n *yaml.Node) {
			r.Items(n, func(item *yaml.Node) { c.Expect = append(c.Expect, r.expected(item)) })
		},
	})
	if c.Alert == "" {
		r.At(n, "want an alertname")
	}
	return c
}

func (r reader) expected(n *yaml.Node) Expected {
	x := Expected{Labels: map[string]string{}}
	r.Mapping(n, map[string]func(*yaml.Node){
		"exp_labels": func(n *yaml.Node) { r.TextMap(n, x.Labels) },
		"exp_annotations": func(n *yaml.Node) {
			x.Annotations = map[string]string{}
			r.TextMap(n, x.Annotations)
		},
		"exp_value": func(n *yaml.Node) {
			x.Value = new(float64)
			if err := n.Decode(x.Value); err != nil {
				r.At(n, "exp_value: want a number")
			}
		},
		"exp_lost": func(n *yaml.Node) {
			x.Lost = new(int)
			r.Number(n, 0, 1<<30, x.Lost)
		},
		"exp_top": func(n *yaml.Node) {
			x.Top = new(string)
			r.Text(n, x.Top)
		},
	})
	return x
}
