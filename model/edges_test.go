package model

import (
	"slices"
	"strings"
	"testing"
)

// pairs is every transition a correct kernel makes, typed by hand and apart
// from the table.
const pairs = `
	CLOSE->LISTEN CLOSE->SYN_SENT CLOSE->SYN_RECV CLOSE->CLOSE
	LISTEN->SYN_RECV LISTEN->CLOSE
	SYN_SENT->ESTABLISHED SYN_SENT->SYN_RECV SYN_SENT->CLOSE
	SYN_RECV->ESTABLISHED SYN_RECV->FIN_WAIT1 SYN_RECV->CLOSE SYN_RECV->CLOSE_WAIT
	ESTABLISHED->FIN_WAIT1 ESTABLISHED->CLOSE_WAIT ESTABLISHED->CLOSE
	FIN_WAIT1->FIN_WAIT2 FIN_WAIT1->CLOSING FIN_WAIT1->FIN_WAIT1 FIN_WAIT1->CLOSE
	FIN_WAIT2->CLOSE FIN_WAIT2->FIN_WAIT2
	CLOSE_WAIT->LAST_ACK CLOSE_WAIT->CLOSE
	LAST_ACK->CLOSE LAST_ACK->LAST_ACK
	CLOSING->CLOSING CLOSING->CLOSE`

func TestEdgesAreTheDocumentedPairs(t *testing.T) {
	var have []string
	for _, e := range Edges() {
		have = append(have, e.From.String()+"->"+e.To.String())
	}
	want := strings.Fields(pairs)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("edges differ:\nhave %v\nwant %v", have, want)
	}
}

func TestEdgesAreComplete(t *testing.T) {
	names := make(map[string]bool)
	for _, e := range Edges() {
		at := e.From.String() + "->" + e.To.String()
		for field, text := range map[string]string{"name": e.Name, "why": e.Why, "section": e.Section, "kernel": e.Kernel, "seen": e.Seen} {
			if text == "" {
				t.Errorf("%s: no %s", at, field)
			}
		}
		if !stored(e.From) || !stored(e.To) {
			t.Errorf("%s: a state that no full socket stores", at)
		}
		if e.Verdict != Normal && e.Verdict != Notable {
			t.Errorf("%s: want a documented edge normal or notable, got %s", at, e.Verdict)
		}
		if e.By == 0 || e.By.String() == "" {
			t.Errorf("%s: no cause", at)
		}
		if names[e.Name] {
			t.Errorf("%s: name %s is taken", at, e.Name)
		}
		names[e.Name] = true
		if !strings.HasSuffix(e.Why, ".") || strings.Contains(e.Why, "\n") {
			t.Errorf("%s: want one sentence, got %q", at, e.Why)
		}
		if e.Rule().String() != e.Name || e.Rule().Why() != e.Why || e.Rule().Section() != e.Section {
			t.Errorf("%s: rule %s is not its own", at, e.Rule())
		}
	}
}

func TestBirthsAndHandOvers(t *testing.T) {
	var births, handOvers []string
	for _, e := range Edges() {
		at := e.From.String() + "->" + e.To.String()
		if e.Birth {
			births = append(births, at)
		}
		if e.HandOver {
			handOvers = append(handOvers, at)
		}
	}
	if want := strings.Fields("CLOSE->LISTEN CLOSE->SYN_SENT LISTEN->SYN_RECV CLOSE->SYN_RECV"); !slices.Equal(births, want) {
		t.Errorf("births: have %v, want %v", births, want)
	}
	if want := strings.Fields("FIN_WAIT2->CLOSE CLOSING->CLOSE"); !slices.Equal(handOvers, want) {
		t.Errorf("hand-overs: have %v, want %v", handOvers, want)
	}
}

func TestEveryStoredStateIsReachedFromClose(t *testing.T) {
	reached := map[State]bool{Close: true}
	for range NumStates {
		for _, e := range Edges() {
			if reached[e.From] {
				reached[e.To] = true
			}
		}
	}
	for _, s := range States() {
		if reached[s] != stored(s) {
			t.Errorf("%s: reached %v, want %v", s, reached[s], stored(s))
		}
	}
}

func TestLookup(t *testing.T) {
	for from := range 256 {
		for to := range 256 {
			e, ok := Lookup(State(from), State(to))
			if ok && (e.From != State(from) || e.To != State(to)) {
				t.Errorf("%d->%d: found %s->%s", from, to, e.From, e.To)
			}
			if !ok && e != nil {
				t.Errorf("%d->%d: an edge that is not there", from, to)
			}
		}
	}
	Edges()[0].Name = "changed"
	if e, _ := Lookup(Close, Listen); e.Name == "changed" {
		t.Error("Edges is not a copy")
	}
}

func TestRulesRoundTrip(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range Rules() {
		name := r.String()
		if seen[name] {
			t.Errorf("%s: not unique", name)
		}
		seen[name] = true
		if name != strings.ToLower(name) || strings.ContainsAny(name, "_ ") {
			t.Errorf("%s: not kebab-case", name)
		}
		if r.Why() == "" {
			t.Errorf("%s: no why", name)
		}
		if back, ok := ParseRule(name); !ok || back != r {
			t.Errorf("ParseRule(%q) = %d, %v; want %d", name, back, ok, r)
		}
	}
	for _, r := range []Rule{RuleNone, 60000, 65535} {
		if r.String() != "unknown" || r.Why() != "" {
			t.Errorf("rule %d: %q %q, want unknown", r, r, r.Why())
		}
	}
	if _, ok := ParseRule("unknown"); ok {
		t.Error("unknown is not a rule")
	}
}
