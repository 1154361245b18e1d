package model

import (
	"strings"
	"testing"
)

func TestEntries(t *testing.T) {
	seen := make(map[string]string)
	for _, e := range Entries() {
		key := entryKey(e.Name)
		if other, ok := seen[key]; ok {
			t.Errorf("%s %s: the name is a %s, too", e.Kind, e.Name, other)
		}
		seen[key] = e.Kind
		if e.Summary == "" || e.Text == "" || e.Kind == "" {
			t.Errorf("%s: want a kind, a summary and a text", e.Name)
		}
		if !strings.HasSuffix(e.Summary, ".") || strings.Contains(e.Summary, "\n") {
			t.Errorf("%s: want a summary of one line, got %q", e.Name, e.Summary)
		}
		if !strings.HasSuffix(e.Text, "\n") || strings.Contains(e.Text, "\n\n") {
			t.Errorf("%s: want paragraphs that end in a newline, got %q", e.Name, e.Text)
		}
		for _, s := range e.See {
			if other, ok := Explain(s); !ok || other.Name != s {
				t.Errorf("%s: see %s, which is not an entry", e.Name, s)
			}
			if s == e.Name {
				t.Errorf("%s: see itself", e.Name)
			}
		}
	}
}

func TestExplainKnowsEveryName(t *testing.T) {
	var names []string
	for _, s := range States() {
		names = append(names, s.String())
	}
	for _, r := range Rules() {
		names = append(names, r.String())
	}
	for _, r := range CloseReasons() {
		names = append(names, r.String())
	}
	names = append(names, verdictNames[:]...)
	names = append(names, roleNames[:]...)
	names = append(names, closerNames[1:]...)
	for i := range timeWaitEnds {
		names = append(names, timeWaitEnds[i].name)
	}
	names = append(names, "exact", "inherited", "unknown", "kernel") // owner.provenance
	names = append(names, "ring", "nested", "table", "queue", "sink")
	names = append(names, "syn", "synack", "fin", "data", "rto", "fast", "probe")
	names = append(names, "held", "accept_queue", "unaccepted", "syn_queue", "syn_young")
	for _, name := range names {
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "_", "-")} {
			if e, ok := Explain(spelling); !ok || e.Name != name {
				t.Errorf("Explain(%q) = %q, %v; want %q", spelling, e.Name, ok, name)
			}
		}
	}
}

func TestExplainReadsStatesAsPeopleTypeThem(t *testing.T) {
	for name, want := range map[string]string{
		"estab": "ESTABLISHED", "TCP_CLOSE_WAIT": "CLOSE_WAIT", "fin-wait-1": "FIN_WAIT1", " syn-rcvd": "SYN_RECV", "closed": "CLOSE",
	} {
		if e, ok := Explain(name); !ok || e.Name != want || e.Kind != KindState {
			t.Errorf("Explain(%q) = %s %q, %v; want the state %s", name, e.Kind, e.Name, ok, want)
		}
	}
	for _, name := range []string{"", "-", "flurb", "ESTABLISHED2", "\x00"} {
		if e, ok := Explain(name); ok {
			t.Errorf("Explain(%q) = %s", name, e.Name)
		}
	}
}

func TestExplainSaysWhatMatters(t *testing.T) {
	for name, want := range map[string]string{
		"CLOSE_WAIT": "your application has not",
		"TIME_WAIT":  "This is normal",
		"unjudged":   "No accusation",
		"impossible": "bug",
	} {
		if e, _ := Explain(name); !strings.Contains(e.Summary+e.Text, want) {
			t.Errorf("%s: want %q in %q", name, want, e.Summary+e.Text)
		}
	}
}
