package ruletest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

func read(t *testing.T, name string) *File {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(filepath.Join("testdata", name), text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Every built-in rule fires and resolves exactly once where it should, and an hour
// of orderly traffic fires none.
func TestBuiltinRules(t *testing.T) {
	names, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fires := map[string]bool{}
	for _, path := range names {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f := read(t, filepath.Base(path))
			failures, err := Run(f, os.ReadFile)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range failures {
				t.Error(one.Error())
			}
			for _, test := range f.Tests {
				for name, changes := range test.Changes {
					if strings.Join(changes, " ") == "firing resolved" {
						fires[name] = true
					}
				}
			}
		})
	}
	for _, r := range alert.Builtin() {
		if !fires[r.Name] {
			t.Errorf("no test says that %s fires and resolves once", r.Name)
		}
	}
}

func TestRecordingAndRulesOfOnesOwn(t *testing.T) {
	failures, err := Run(read(t, "recorded/recorded.yaml"), os.ReadFile)
	if err != nil || len(failures) > 0 {
		t.Errorf("%v %v", err, failures)
	}
}

// What is not as expected is told, with the place.
func TestFailures(t *testing.T) {
	const head = "tests:\n  - name: one\n    events:\n      - at: 10s\n        event: {event: lost, count: 5, where: ring}\n"
	check := func(lines ...string) string {
		return head + "    alert_rule_test:\n      - eval_time: 20s\n        alertname: LosingEvents\n" + strings.Join(lines, "\n") + "\n"
	}
	cases := []struct{ name, text, want string }{
		{"not expected", check(), `f:7: one: at 20s: not expected: LosingEvents {severity="critical"}`},
		{"other labels", check("        exp_alerts:", "          - exp_labels: {a: b}"), `f:7: one: at 20s: no alert LosingEvents {a="b"}; there are: LosingEvents {severity="critical"}`},
		{"other value", check("        exp_alerts:", "          - exp_labels: {severity: critical}", "            exp_value: 6"), "at 20s: LosingEvents has the value 5, want 6"},
		{"other loss", check("        exp_alerts:", "          - exp_labels: {severity: critical}", "            exp_lost: 6"), "at 20s: LosingEvents lost 5 events, want 6"},
		{"other annotation", check("        exp_alerts:", "          - exp_labels: {severity: critical}", "            exp_annotations: {summary: x}"), `has the annotation summary "tcpwatch lost 5 events in a minute", want "x"`},
		{"other holder", check("        exp_alerts:", "          - exp_labels: {severity: critical}", "            exp_top: x"), `the largest holder of LosingEvents is [], want "x"`},
		{"other changes", head + "    exp_changes: {LosingEvents: [firing]}\n", "f:2: one: LosingEvents was told as [firing resolved], want [firing]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse("f", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			failures, err := Run(f, os.ReadFile)
			if err != nil {
				t.Fatal(err)
			}
			for i := range failures {
				if strings.Contains(failures[i].Error(), c.want) {
					return
				}
			}
			t.Errorf("%v\nwant %s", failures, c.want)
		})
	}
}

func TestMistakesOfTests(t *testing.T) {
	const event = "tests:\n  - events:\n      - "
	cases := []struct{ name, text, want string }{
		{"no tests", "{}", "f:1:1: no tests"},
		{"expects nothing", "tests:\n  - name: x\n", "f:2:5: the test expects nothing"},
		{"unknown key", "test: []", `f:1:1: unknown key "test": did you mean tests?`},
		{"no event", event + "at: 5s\n", "f:3:9: want an event"},
		{"bad time", event + "at: soon\n", `f:3:13: parse duration "soon"`},
		{"bad range", "tests:\n  - port_range: [5]\n", "f:2:17: port_range: want the first and the last port"},
		{"no alertname", "tests:\n  - alert_rule_test:\n      - eval_time: 5s\n", "f:3:9: want an alertname"},
	}
	for _, c := range cases {
		if _, err := Parse("f", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	running := []struct{ name, text, want string }{
		{"no such recording", "tests:\n  - recording: none\n    exp_changes: {}\n    alert_rule_test: [{alertname: x}]\n", "f:2: read recording: open none"},
		{"no such rules", "rule_files: [none]\ntests:\n  - alert_rule_test: [{alertname: x}]\n", "f: read rules: open none"},
		{"no state", event + "event: {event: transition, from: X, to: Y}\n    alert_rule_test: [{alertname: x}]\n", "f:2: read recording, line 1: parse line: unknown state"},
		{"vary a text", event + "{event: {event: lost}, vary: [family]}\n    alert_rule_test: [{alertname: x}]\n", "f:2: line 3: vary: family is not a whole number"},
		{"too long", "tests:\n  - alert_rule_test: [{alertname: x, eval_time: 300d}]\n", "want at most 100000: choose a longer evaluation_interval"},
	}
	for _, c := range running {
		f, err := Parse("f", []byte(c.text))
		if err == nil {
			_, err = Run(f, os.ReadFile)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// What is not a file of tests is refused, and what is one runs, or says why not.
func FuzzParseTests(f *testing.F) {
	f.Add("tests:\n  - events: [{event: {event: lost, count: 5, where: ring}, times: 3, vary: [count]}]\n    exp_changes: {A: [firing]}\n")
	f.Add("evaluation_interval: 1m\ntests:\n  - port_range: [1, 2]\n    alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: [{exp_labels: {a: b}, exp_value: 3}]}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		tests, err := Parse("f", []byte(text))
		if err != nil {
			return
		}
		for i := range tests.Tests {
			for k := range tests.Tests[i].Scripts {
				s := &tests.Tests[i].Scripts[k]
				s.Times = min(s.Times, 10)
			}
			_, _ = script(tests.Tests[i].Scripts)
		}
	})
}
