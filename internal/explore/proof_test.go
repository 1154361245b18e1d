package explore

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/tunpeer"
	"github.com/tcpwatch/tcpwatch/model"
)

// proof is a kernel test of an edge, or the reason why there is none.
type proof struct {
	from, to     model.State
	test, reason string
}

// otherProofs are kernel tests that are no scenarios of internal/tunpeer, and the
// reasons for which an edge is neither explored nor tested.
var otherProofs = []proof{
	{from: model.SynSent, to: model.SynRecv, test: "TestDemoTellsEachStory"},
	{from: model.FinWait1, to: model.Closing, test: "TestDemoTellsEachStory"},
	{from: model.SynRecv, to: model.CloseWait,
		reason: "tcp_fin has the case, and nothing reaches it: a SYN with a FIN is dropped, and any other FIN is taken after the ACK that leads to ESTABLISHED"},
}

// unexploredEnds are the ends that need what is left out.
var unexploredEnds = map[string]string{
	"end-closing":        "always told as end-fin-simultaneous: the state was CLOSING",
	"end-mptcp-reset":    "MPTCP is left out",
	"end-repair":         "TCP_REPAIR is left out",
	"end-reset-by-local": "for what no other row explains",
}

// scenarios returns the scripts that declare each edge, by name.
func scenarios(t *testing.T) map[[2]model.State][]string {
	t.Helper()
	scripts, err := tunpeer.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	by := map[[2]model.State][]string{}
	for _, script := range scripts {
		for _, path := range script.Paths {
			names := strings.Split(path, ">")
			for i := 1; i < len(names); i++ {
				from, ok1 := model.ParseState(names[i-1])
				to, ok2 := model.ParseState(names[i])
				if !ok1 || !ok2 {
					t.Fatalf("%s: no states %s>%s", script.Name, names[i-1], names[i])
				}
				edge, name := [2]model.State{from, to}, strings.TrimSuffix(script.Name, ".script")
				if !slices.Contains(by[edge], name) {
					by[edge] = append(by[edge], name)
				}
			}
		}
	}
	return by
}

// testsOf returns the source of all tests below a directory.
func testsOf(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		all.Write(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Every edge of the model is explored, or provoked on a real kernel, or says why not.
func TestEveryEdgeIsProved(t *testing.T) {
	explored, played, source := explored(), scenarios(t), testsOf(t, "..")
	for _, p := range otherProofs {
		edge := [2]model.State{p.from, p.to}
		if _, ok := model.Lookup(p.from, p.to); !ok {
			t.Errorf("%s > %s is no edge", p.from, p.to)
		}
		if p.test != "" && !strings.Contains(source, "\nfunc "+p.test+"(t *testing.T) {") {
			t.Errorf("%s > %s: there is no test %s", p.from, p.to, p.test)
		}
		if proved := explored.edges[edge] || len(played[edge]) > 0; p.reason != "" && proved {
			t.Errorf("%s > %s is proved now, its reason is out of date: %s", p.from, p.to, p.reason)
		}
	}
	byExploring := 0
	for _, e := range model.Edges() {
		edge := [2]model.State{e.From, e.To}
		if explored.edges[edge] {
			byExploring++
			continue
		}
		named := slices.ContainsFunc(otherProofs, func(p proof) bool { return p.from == e.From && p.to == e.To })
		if len(played[edge]) == 0 && !named {
			t.Errorf("%s > %s (%s) is reached by neither the exploration nor a kernel test, and has no reason", e.From, e.To, e.Name)
		}
	}
	t.Logf("%d of %d edges explored, %d in scenarios", byExploring, len(model.Edges()), len(played))
}

// What neither the exploration nor a kernel test reaches is impossible, and only that:
// so the table has no edge too few, and none too many that has no reason.
func TestWhatIsNotReachedIsImpossible(t *testing.T) {
	explored, played := explored(), scenarios(t)
	impossible := 0
	for from := range model.State(255) {
		for to := range model.State(255) {
			edge := [2]model.State{from, to}
			reached := explored.edges[edge] || len(played[edge]) > 0
			for _, p := range otherProofs {
				reached = reached || p.from == from && p.to == to
			}
			var m model.Machine
			j := m.Step(from, to, false, nil)
			if reached == (j.Verdict == model.Impossible) {
				t.Errorf("%s > %s: reached %v, judged %s", from, to, reached, j.Verdict)
			}
			if j.Verdict == model.Impossible {
				impossible++
			}
		}
	}
	t.Logf("%d pairs are impossible", impossible)
}

// Every row of the table of ends is explored, or says why not.
func TestEveryEndIsExplored(t *testing.T) {
	if hurry() {
		t.Skip("the narrow bounds have no data, and so not every end")
	}
	for _, row := range model.Endings() {
		reason := unexploredEnds[row.Rule.String()]
		if explored().rules[row.Rule] == (reason != "") {
			t.Errorf("%s: explored %v, reason %q", row.Rule, explored().rules[row.Rule], reason)
		}
	}
}
