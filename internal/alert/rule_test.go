package alert

import (
	"strings"
	"testing"
	"time"
)

// ruleFile puts the keys of one rule into a file.
func ruleFile(keys ...string) string {
	return "groups:\n  - name: g\n    rules:\n      - " + strings.Join(keys, "\n        ") + "\n"
}

func TestMistakesHaveAPlace(t *testing.T) {
	rule := func(keys ...string) string { return ruleFile(append([]string{"alert: A"}, keys...)...) }
	cases := []struct{ name, text, want string }{
		{"empty", "", "f:1:1: the file is empty"},
		{"no YAML", "groups: [", "f:2:1: did not find"},
		{"not a mapping", "- a", "f:1:1: want keys and values, not a list"},
		{"no groups", "{}", "f:1:1: no rule: want groups, and in each rules"},
		{"unknown key at the top", "group: []", `f:1:1: unknown key "group": did you mean groups?`},
		{"unknown key", rule("on: reset", "fro: 5m"), `f:6:9: unknown key "fro": did you mean for?`},
		{"key twice", rule("on: reset", "on: closed"), `f:6:9: "on" is there twice`},
		{"alias", "groups: &a\n  - name: x\n    rules: *a\n", "f:1:9: anchors and aliases are not taken"},
		{"two documents", "groups: []\n---\ngroups: []\n", "more than one document"},
		{"no name of the group", "groups:\n  - rules: []\n", "f:2:5: the group has no name"},
		{"no name", ruleFile("on: reset"), `alert: want a name of letters, digits and _, not ""`},
		{"same name", rule("on: reset") + "      - alert: A\n        on: reset\n", "f:6:9: there is a rule A already"},
		{"unknown subject", rule("on: resets"), `f:5:13: on: "resets" is nothing that a rule looks at: did you mean reset?`},
		{"no expr", rule("on: sockets"), "f:4:9: A has no expr"},
		{"bad duration", rule("on: reset", "for: 5 minutes"), `f:6:14: parse duration "5 minutes": want such as 30s, 5m or 1h30m`},
		{"long duration", rule("on: reset", "for: 3y"), `f:6:14: parse duration "3y": want at most a year`},
		{"window too short", rule("on: reset", "window: 10ms"), "f:6:17: want at least 1s, not 10ms"},
		{"unknown number", rule("on: sockets", "expr: conut > 3"), `f:6:15: parse expression: unknown name conut: did you mean count?`},
		{"unknown number, later", rule("on: sockets", "expr: count > 3 and agee > 2"), `f:6:29: parse expression: unknown name agee`},
		{"quoted", rule("on: sockets", `expr: "count > 3 and agee > 2"`), `f:6:30: parse expression: unknown name agee`},
		{"a number of another subject", rule("on: reset", "expr: pressure > 0.5"), `f:6:15: parse expression: unknown name pressure: a rule on reset knows all, `},
		{"not yes or no", rule("on: sockets", "expr: count"), "f:6:15: parse expression: expected bool"},
		{"bad clear", rule("on: sockets", "expr: count > 5", "clear: < (3"), "f:7:"},
		{"loop", rule("on: reset", "where: all(1..100000, all(1..100000, true))"), "f:6:16: parse expression: a rule may not loop"},
		{"unknown field", rule("on: closed", `where: verdit == "normal"`), "f:6:16: parse filter: unknown name verdit: did you mean verdict?"},
		{"state that is none", rule("on: transition", `where: to == "CLOSEWAIT"`), `f:6:16: parse expression: to is never "CLOSEWAIT"`},
		{"where of the watch", rule("on: self", "where: lost > 0"), "f:6:16: where: there is only one watch"},
		{"unknown label", rule("on: reset", "by: [com]"), `f:6:13: by: a rule on reset does not know "com"`},
		{"label twice", rule("on: reset", "by: [comm, comm]"), "by: comm is there twice"},
		{"bad label", rule("on: reset", "labels: {a-b: c}"), `labels: "a-b" cannot be the name of a label`},
		{"label that is no text", rule("on: reset", "labels: {a: [1]}"), "f:6:21: want a text, not a list"},
		{"limit without burst", rule("on: reset", "limit: {per: 30s}"), "f:6:16: limit: want both per (a duration) and burst (a number)"},
		{"burst of none", rule("on: reset", "limit: {per: 30s, burst: 0}"), "want a whole number from 1 to 1000"},
		{"bad template", rule("on: reset", "annotations: {summary: '{{ $valu }}'}"), "annotations: summary: parse template:"},
		{"label that the rule has not", rule("on: reset", "annotations: {summary: '{{ $labels.comm }}'}"), "annotations: summary: fill template:"},
		{"template that loops", rule("on: reset", "annotations: {summary: '{{ range 1000000000 }}{{ end }}'}"), "a template may not loop"},
		{"deep", "groups: " + strings.Repeat("[", 40) + strings.Repeat("]", 40), "more than 16 levels deep"},
		{"large", strings.Repeat("# a comment\n", 100_000), "f: 1200000 bytes, want at most 1048576"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rules, err := Parse("f", []byte(c.text))
			if err == nil {
				t.Fatalf("no error, %d rules", len(rules))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
			if rules != nil {
				t.Error("half of it was loaded")
			}
		})
	}
}

func TestAllMistakesAreTold(t *testing.T) {
	_, err := Parse("f", []byte(ruleFile("alert: A", "on: reset", "for: x", "window: y", "by: [z]")))
	if n := strings.Count(err.Error(), "\n") + 1; n != 3 {
		t.Errorf("%d mistakes, want 3:\n%v", n, err)
	}
}

func TestRuleIsRead(t *testing.T) {
	rules, err := Parse("f", []byte(ruleFile("alert: A", "on: sockets", `where: section == "held"`, "by: [comm]", "expr: 3 < stale and count > 5",
		`clear: "< 2"`, "window: 5m", "for: 1h30m", "keep_firing_for: 90s", "limit: {per: 30s, burst: 10}", "labels: {severity: page}",
		"annotations: {summary: '{{ $value | humanize }} of {{ $labels.comm }} {{ $labels.severity }}'}", "prometheus: up == 0")))
	if err != nil {
		t.Fatal(err)
	}
	r := rules[0]
	if r.Window != 5*time.Minute || r.For != 90*time.Minute || r.KeepFiringFor != 90*time.Second || r.Limit != (Limit{30 * time.Second, 10}) ||
		r.value != "stale" || r.Clear != "stale < 2" || r.Group != "g" || r.Line != 4 {
		t.Errorf("%+v", r)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1w": 168 * time.Hour, "15ms": 15 * time.Millisecond} {
		d, err := ParseDuration(text)
		if err != nil || d != want {
			t.Errorf("%s: %v %v, want %v", text, d, err, want)
		}
		if back, err := ParseDuration(FormatDuration(d)); err != nil || back != d {
			t.Errorf("%v is written %s", d, FormatDuration(d))
		}
	}
	for _, text := range []string{"", "5", "-1m", "1m1h", "1.5h", "5M", "99999999y", " 5m"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q is %v", text, d)
		}
	}
}

func TestMergeReplacesAndDisables(t *testing.T) {
	own, err := Parse("own", []byte(ruleFile("alert: LosingEvents", "enabled: false")+
		"      - alert: ResetStorm\n        on: reset\n        expr: rate > 5\n      - alert: Mine\n        on: closed\n"))
	if err != nil {
		t.Fatal(err)
	}
	all := Merge(Builtin(), own)
	names := map[string]string{}
	for _, r := range all {
		names[r.Name] = r.File
	}
	if len(all) != len(Builtin()) || names["LosingEvents"] != "" || names["ResetStorm"] != "own" || names["Mine"] != "own" || names["PortPressure"] != BuiltinFile {
		t.Errorf("%v", names)
	}
}

// What is not a rules file is refused, and what is one does not panic an engine.
func FuzzParseRules(f *testing.F) {
	f.Add(ruleFile("alert: A", "on: closed", `where: close_reason in ["refused"]`, "by: [comm]", "expr: share > 0.5", `clear: "< 0.1"`, "for: 1m", // short: Go minimises long ones for ever
		"limit: {per: 30s, burst: 10}", "labels: {a: b}", "annotations: {s: '{{ $labels.comm | printf \"%s\" }}'}"))
	f.Add(ruleFile("alert: A", "on: self", "expr: lost > 0"))
	f.Add("groups:\n  - name: &a x\n    rules: *a")
	f.Add("groups: {")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := Parse("f", []byte(text))
		if err != nil {
			if rules != nil || len(err.Error()) == 0 {
				t.Error("a mistake, and rules")
			}
			return
		}
		e := New(Merge(rules), Options{})
		for _, o := range samples() {
			e.Observe(o)
		}
		e.Tick(1e9)
	})
}
