package explore

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/model"
)

// Read the difference before you keep it.
var update = flag.Bool("update", false, "rewrite docs/machine.md")

const (
	documentPath = "../../docs/machine.md"

	preamble = `# The machine, row by row

Made by ` + "`go test ./internal/explore -update`" + ` from the tables of package model and from what
was explored; not written by hand. [model.md](model.md) says what it means.
`
)

// document writes docs/machine.md.
func document(f *findings, played map[[2]model.State][]string) string {
	var b strings.Builder
	b.WriteString(preamble)
	explorationTable(&b, f)
	edgeTable(&b, f, played)
	endTable(&b, f)
	pairTable(&b)
	return b.String()
}

func explorationTable(b *strings.Builder, f *findings) {
	b.WriteString("\n## Explored\n\nTwo ends, and all that can happen to them and between them. An end counts once for each\nstate of its sockets and of what the model knows of them.\n\n")
	b.WriteString("| bounds | ends | segments | states | steps |\n| --- | --- | --- | --- | --- |\n")
	for i, c := range f.counts {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d |\n", explorations[i].name, c.Ends, c.Segments, c.States, c.Steps)
	}
	fmt.Fprintf(b, "\n%d of %d edges are reached so, each of %d fates, and nothing that is impossible.\n", len(f.edges), len(model.Edges()), len(f.fates))
}

func edgeTable(b *strings.Builder, f *findings, played map[[2]model.State][]string) {
	b.WriteString("\n## Transitions\n\nEvery other pair of states is impossible. \"rfc\" is an arrow of RFC 9293 figure 5, \"rfc-text\"\nis in its text only, \"linux\" is a refinement. \"Explored\" is a proof by exploration; names of\nscenarios are those of internal/tunpeer, played against the real kernel.\n\n")
	b.WriteString("| from | to | rule | origin | by | verdict | section | in the kernel | why | proved by |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, e := range model.Edges() {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", e.From, e.To, e.Name, e.Origin,
			strings.Join(e.By.Names(), ", "), e.Verdict, e.Section, e.Kernel, e.Why, proofs(&e, f, played))
	}
}

// proofs names what proves an edge; of many scenarios, two.
func proofs(e *model.Edge, f *findings, played map[[2]model.State][]string) string {
	var by []string
	edge := [2]model.State{e.From, e.To}
	if f.edges[edge] {
		by = append(by, "explored")
	}
	names := played[edge]
	by = append(by, names[:min(2, len(names))]...)
	if more := len(names) - 2; more > 0 {
		by = append(by, fmt.Sprintf("%d more", more))
	}
	for _, p := range otherProofs {
		if p.from != e.From || p.to != e.To {
			continue
		}
		if p.test != "" {
			by = append(by, "`"+p.test+"`")
		} else {
			by = append(by, "not reached: "+p.reason)
		}
	}
	return strings.Join(by, ", ")
}

func endTable(b *strings.Builder, f *findings) {
	b.WriteString("\n## Ends\n\nWhy a socket went to CLOSE: the first row that fits. `TestJudge` holds each to examples.\n\n")
	b.WriteString("| rule | from | close reason | by | verdict | section | why | explored |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range model.Endings() {
		var from []string
		for _, s := range row.From {
			from = append(from, s.String())
		}
		explored := "yes"
		if reason := unexploredEnds[row.Rule.String()]; reason != "" {
			explored = "no: " + reason
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", row.Rule, strings.Join(from, ", "),
			row.Reason, row.By, row.Verdict, row.Rule.Section(), row.Rule.Why(), explored)
	}
}

// pairTable draws model.Coexist, which TestCoexistence holds to what was explored.
func pairTable(b *strings.Builder) {
	var ends []model.State
	for _, s := range model.States() {
		if model.Coexist(s, model.Close) {
			ends = append(ends, s)
		}
	}
	b.WriteString("\n## Both ends at once\n\nWhich states the two ends of one connection can be in at one instant (`model.Coexist`).\nCLOSE stands for no socket, TIME_WAIT and FIN_WAIT2 also for mini-sockets, NEW_SYN_RECV for\na request; LISTEN is no end of a connection.\n\n|")
	for _, s := range ends {
		fmt.Fprintf(b, " | %s", s)
	}
	b.WriteString(" |\n| ---" + strings.Repeat(" | ---", len(ends)) + " |\n")
	for _, a := range ends {
		fmt.Fprintf(b, "| %s", a)
		for _, other := range ends {
			cell := ""
			if model.Coexist(a, other) {
				cell = "yes"
			}
			fmt.Fprintf(b, " | %s", cell)
		}
		b.WriteString(" |\n")
	}
}

// The document is made from the tables and from what was explored, and from nothing
// else.
func TestDocumentIsMadeFromTheTables(t *testing.T) {
	if hurry() {
		t.Skip("the narrow bounds have other counts")
	}
	have := document(explored(), scenarios(t))
	if *update {
		if err := os.WriteFile(documentPath, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Error("docs/machine.md is not what the tables make: go test ./internal/explore -update")
	}
}
