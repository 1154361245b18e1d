package peers

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/table"
)

// goals is the table of docs/performance.md: what was aimed at, and what this run
// measured.
type goals struct {
	b    *testing.B
	rows []table.Row
	met  int
	far  []string // what is far off
}

// farOff is by what factor a goal must be missed to be far off: the spread of a shared
// machine, and what is known to be missed by half.
const farOff = 6

// most adds a row of which the figure is to be at most a limit, least one of which
// it is to be at least that.
func (g *goals) most(what, format string, got, limit float64, notes ...string) {
	g.add(what, "at most "+fmt.Sprintf(format, limit), fmt.Sprintf(format, got), got <= limit, notes)
	if got > limit*farOff && limit > 0 {
		g.far = append(g.far, fmt.Sprintf("%s: %g, want at most %g", what, got, limit))
	}
}

func (g *goals) least(what, format string, got, limit float64, notes ...string) {
	g.add(what, "at least "+fmt.Sprintf(format, limit), fmt.Sprintf(format, got), got >= limit, notes)
	if got < limit/farOff {
		g.far = append(g.far, fmt.Sprintf("%s: %g, want at least %g", what, got, limit))
	}
}

func (g *goals) add(what, goal, got string, met bool, notes []string) {
	verdict := "missed"
	if met {
		verdict = "met"
		g.met++
	}
	g.rows = append(g.rows, table.Row{what, goal, got, verdict, strings.Join(notes, "; ")})
}

func (g *goals) print() {
	w := table.NewWriter()
	w.AppendHeader(table.Row{"what", "goal", "measured", "", "how"})
	w.AppendRows(g.rows)
	fmt.Fprintf(os.Stderr, "\n%s\n%d of %d goals met\n", w.Render(), g.met, len(g.rows))
	g.b.ReportMetric(float64(g.met)/float64(len(g.rows)), "goals-met")
}

// failFarOff fails for each goal that is missed by far.
func (g *goals) failFarOff() {
	for _, what := range g.far {
		g.b.Errorf("far off: %s", what)
	}
}
