package model

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// reference is the machine written a second time, with strings and without
// the table, slowly and plainly. It knows the list of pairs and nothing else.
type reference struct {
	state        string // "" is not known
	midLife, gap bool
}

var (
	referenceNames = strings.Fields("? ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV BOUND_INACTIVE")
	documented     = " " + strings.Join(strings.Fields(pairs), " ") + " "
	births         = " CLOSE->LISTEN CLOSE->SYN_SENT LISTEN->SYN_RECV CLOSE->SYN_RECV "
	notablePairs   = " SYN_SENT->SYN_RECV FIN_WAIT1->CLOSING CLOSE->SYN_RECV CLOSE->CLOSE SYN_RECV->CLOSE_WAIT "
)

func referenceName(n int) string {
	if n < 1 || n > 13 {
		return "?"
	}
	return referenceNames[n]
}

func listed(list, pair string) bool { return strings.Contains(list, " "+pair+" ") }

func (r *reference) step(from, to int, loss bool) string {
	a, b := referenceName(from), referenceName(to)
	if a == "?" || b == "?" {
		r.midLife, r.state = true, ""
		return "impossible unknown-state"
	}
	for _, s := range []string{a, b} {
		if s == "TIME_WAIT" || s == "NEW_SYN_RECV" || s == "BOUND_INACTIVE" {
			r.midLife, r.state = true, ""
			return "impossible never-stored-state"
		}
	}
	was, pair := r.state, a+"->"+b
	r.state = b
	if !listed(documented, pair) {
		if was == "" {
			r.midLife = true
		} else if was != a && loss {
			r.gap = true
		}
		return "impossible undocumented-edge"
	}
	if listed(births, pair) {
		again := was == "CLOSE" && (b == "LISTEN" || b == "SYN_SENT")
		if was == "" || again {
			r.midLife, r.gap = false, false
			return referenceVerdict(pair)
		}
		if loss {
			r.gap = true
			return "unjudged events-lost"
		}
		return "impossible born-twice"
	}
	if was == "" {
		r.midLife = true
		return referenceVerdict(pair)
	}
	if was != a {
		if loss {
			r.gap = true
			return "unjudged events-lost"
		}
		return "impossible continuity"
	}
	return referenceVerdict(pair)
}

func referenceVerdict(pair string) string {
	if listed(notablePairs, pair) {
		return "notable"
	}
	return "normal"
}

func TestMachineAgreesWithReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(9293, 793))
	legal := make([][2]int, 0, 28)
	for _, pair := range strings.Fields(pairs) {
		a, b, _ := strings.Cut(pair, "->")
		legal = append(legal, [2]int{indexOf(a), indexOf(b)})
	}
	walks := 120_000
	if testing.Short() {
		walks = 10_000
	}
	for range walks {
		var m Machine
		var r reference
		if rng.IntN(4) == 0 { // mid-life, from an inventory
			n := rng.IntN(15)
			m = Found(State(n))
			r.midLife = true
			switch r.state = referenceName(n); r.state {
			case "BOUND_INACTIVE":
				r.state = "CLOSE"
			case "TIME_WAIT", "NEW_SYN_RECV", "?":
				r.state = ""
			}
		}
		for range 12 {
			from, to := rng.IntN(17), rng.IntN(17)
			switch p := rng.IntN(10); {
			case p < 6: // a step that follows
				candidates := legal[:0:0]
				for _, l := range legal {
					if r.state == "" || referenceName(l[0]) == r.state {
						candidates = append(candidates, l)
					}
				}
				next := candidates[rng.IntN(len(candidates))]
				from, to = next[0], next[1]
			case p < 8: // a documented one that may not follow
				next := legal[rng.IntN(len(legal))]
				from, to = next[0], next[1]
			}
			loss := rng.IntN(5) == 0
			before := m
			want := r.step(from, to, loss)
			j := m.Step(State(from), State(to), loss, nil)
			got := j.Verdict.String()
			if j.Verdict == Impossible || j.Verdict == Unjudged {
				got += " " + j.Rule.String()
			}
			state, ok := m.State()
			if got != want || ok != (r.state != "") || ok && state.String() != r.state || m.MidLife() != r.midLife || m.Gap() != r.gap {
				t.Fatalf("%+v, step %s->%s loss %v: machine says %s %+v, reference %s %+v",
					before, State(from), State(to), loss, got, m, want, r)
			}
		}
	}
}

func indexOf(name string) int {
	for i, n := range referenceNames {
		if n == name {
			return i
		}
	}
	panic("no state " + name)
}
