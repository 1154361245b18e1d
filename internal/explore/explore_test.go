package explore

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/model"
)

// explorations are the bounds: each goes to the end.
var explorations = []struct {
	name   string
	bounds Bounds
	wide   bool // not in a hurry
}{
	{"one connection, no data", Bounds{Lives: 1, Memory: true}, false},
	{"one connection, a byte from each end", Bounds{Lives: 1, Data: 1, FastOpen: true, Windows: true, Memory: true}, true},
	{"two connections, one after another", Bounds{Lives: 2, Memory: true}, true},
}

// findings is a Watcher that keeps what can happen.
type findings struct {
	edges  map[[2]model.State]bool
	pairs  [model.NumStates][model.NumStates]bool
	fates  map[Fate]bool
	rules  map[model.Rule]bool // of ends
	wrong  []string            // the first of each kind
	seen   map[string]bool     // kinds of wrong
	counts []Counts
	took   []time.Duration
}

func (f *findings) blame(at fmt.Stringer, format string, args ...any) {
	if what := fmt.Sprintf(format, args...); !f.seen[what] {
		f.seen[what] = true
		f.wrong = append(f.wrong, what+at.String())
	}
}

func (f *findings) Transition(at fmt.Stringer, from, to model.State, j model.Judgement) {
	f.edges[[2]model.State{from, to}] = true
	if j.Verdict == model.Impossible || j.Verdict == model.Unjudged {
		f.blame(at, "%s > %s is %s: %s", from, to, j.Verdict, j.Rule)
	}
}

func (f *findings) Pair(a, b model.State) {
	f.pairs[a][b] = true
	f.pairs[b][a] = true
}

func (f *findings) End(at fmt.Stringer, fate Fate, e *model.Ending) {
	f.fates[fate] = true
	c := e.Judge()
	f.rules[c.Rule] = true
	if !right(fate, e, &c) {
		f.blame(at, "%s in %s is %s by %s, %s (%s), owned %v", fate, e.From, c.Reason, c.By, c.Verdict, c.Rule, e.Evidence.Has(model.Owned))
	}
}

func (f *findings) Wrong(at fmt.Stringer, n model.Numbers) { f.blame(at, "numbers read as %+v", n) }

// hurry reports whether only the narrowest bounds are explored.
func hurry() bool { return narrow || testing.Short() }

// explored explores all there is, once.
var explored = sync.OnceValue(func() *findings {
	f := &findings{
		edges: map[[2]model.State]bool{}, fates: map[Fate]bool{},
		rules: map[model.Rule]bool{}, seen: map[string]bool{},
	}
	for _, e := range explorations {
		if e.wide && hurry() {
			continue
		}
		start := time.Now()
		f.counts = append(f.counts, Explore(e.bounds, f))
		f.took = append(f.took, time.Since(start))
	}
	return f
})

// RFC 9293 and Linux, every interleaving within bounds: the model calls nothing of
// it impossible or unjudged, reads every number as it is, and gives each end its
// reason.
func TestNothingExploredIsImpossible(t *testing.T) {
	f := explored()
	for i, c := range f.counts {
		t.Logf("%s: %d states of %d ends and %d segments, %d steps, %v",
			explorations[i].name, c.States, c.Ends, c.Segments, c.Steps, f.took[i].Round(time.Millisecond))
		if least := 500; c.States < least {
			t.Errorf("%s: %d states, want %d at least", explorations[i].name, c.States, least)
		}
	}
	t.Logf("%d of %d edges, %d of %d fates", len(f.edges), len(model.Edges()), len(f.fates), len(Fates()))
	for _, wrong := range f.wrong {
		t.Error(wrong)
	}
}

// Every way to end is really reached; otherwise nothing would be said of it.
func TestEveryFateIsReached(t *testing.T) {
	needData := []Fate{DataAfterClose, UnreadThrownAway, WindowNeverOpened}
	for _, fate := range Fates() {
		if !explored().fates[fate] && !(hurry() && slices.Contains(needData, fate)) {
			t.Errorf("%s is never reached", fate)
		}
	}
}

// The model's table of states that two ends can be in at once is exactly what was
// reached.
func TestCoexistence(t *testing.T) {
	f := explored()
	for a := range model.State(model.NumStates) {
		for b := range model.State(model.NumStates) {
			if got, want := model.Coexist(a, b), f.pairs[a][b]; got != want {
				t.Errorf("Coexist(%s, %s) is %v, explored %v", a, b, got, want)
			}
		}
	}
	for _, a := range model.States() {
		var with []model.State
		for _, b := range model.States() {
			if f.pairs[a][b] {
				with = append(with, b)
			}
		}
		t.Logf("%s with %v", a, with)
	}
	for _, s := range []model.State{0, model.NumStates, 255} {
		if model.Coexist(s, model.Close) || model.Coexist(model.Close, s) {
			t.Errorf("%s coexists with CLOSE", s)
		}
	}
}
