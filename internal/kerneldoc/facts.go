// Package kerneldoc keeps what was seen on each kernel: docs/kernels.json, the
// facts, and docs/kernels.md, which is made from them. The tests on other
// kernels find the facts anew, and differences fail.
package kerneldoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tcpwatch/tcpwatch/internal/vmrun"
)

// FactsName is the file that the probe's tests write into $VMRUN_OUT.
const FactsName = "facts.json"

// Facts are what was seen of one kernel.
type Facts struct {
	Release  string    `json:"release"` // uname -r
	Machine  string    `json:"machine"` // uname -m
	Features []Feature `json:"features"`
	Seen     []Seen    `json:"seen"`
	Hooks    []string  `json:"hooks"`  // tracepoints that report
	Losses   []string  `json:"losses"` // what is not seen there
	Programs []Program `json:"programs"`
}

// Feature is what was found out about one.
type Feature struct {
	Name    string `json:"name"`
	Since   string `json:"since"`   // what brought it: function or field, commit, version
	Types   string `json:"types"`   // yes, no, cannot tell: the kernel's types
	Program string `json:"program"` // the same, by loading one; "" if none can tell
	Instead string `json:"instead,omitempty"`
}

// Seen is a behaviour, tried.
type Seen struct {
	What   string `json:"what"`
	Answer string `json:"answer"`
}

// Program is what the verifier says of one.
type Program struct {
	Name         string `json:"name"`
	Instructions int    `json:"instructions"` // processed, all paths
	States       int    `json:"states"`       // in all
	PeakStates   int    `json:"peak_states"`  // at a time
}

// Kernel is one column.
type Kernel struct {
	Series string  `json:"series"` // as in kernels.lock, or host
	Facts  Facts   `json:"facts"`
	Tests  []Tests `json:"tests,omitempty"`
}

// Tests are the results of a package.
type Tests struct {
	Package string   `json:"package"`
	Passed  int      `json:"passed"`
	Failed  int      `json:"failed"`
	Skipped []string `json:"skipped,omitempty"` // test: reason
}

// Kernels are all columns, the oldest first.
type Kernels struct {
	WallSeconds float64  `json:"wall_seconds"` // of the tests on all but the host
	Kernels     []Kernel `json:"kernels"`
}

// host is the series of the kernel outside of the guests.
const host = "host"

// The package and the test that write the facts.
const (
	probePackage = "internal/probe"
	factsTest    = "TestFacts"
)

// ErrNoProbe says that a matrix did not run the test that finds the facts.
var ErrNoProbe = errors.New("no facts: " + factsTest + " of " + probePackage + " was not run")

// looked reports whether the test that finds the facts was run.
func looked(k *vmrun.KernelResult) bool {
	return slices.ContainsFunc(k.Packages, func(p vmrun.PackageResult) bool {
		return p.Package == probePackage && slices.ContainsFunc(p.Tests, func(t vmrun.TestResult) bool { return t.Name == factsTest })
	})
}

// Collect reads what a matrix left in dir, and, unless hostDir is empty, what
// the probe's tests wrote there outside of a guest.
func Collect(dir, hostDir string) (*Kernels, error) {
	var results vmrun.Results
	if err := readJSON(filepath.Join(dir, vmrun.ResultsName), &results); err != nil {
		return nil, err
	}
	if len(results.Kernels) == 0 || !looked(&results.Kernels[0]) {
		return nil, ErrNoProbe
	}
	all := &Kernels{WallSeconds: results.WallSeconds}
	for _, r := range results.Kernels {
		k := Kernel{Series: r.Series}
		if err := findFacts(filepath.Join(dir, r.Series), &k.Facts); err != nil {
			return nil, err
		}
		for _, p := range r.Packages {
			k.Tests = append(k.Tests, testsOf(&p))
		}
		all.Kernels = append(all.Kernels, k)
	}
	if hostDir == "" {
		return all, nil
	}
	k := Kernel{Series: host}
	if err := findFacts(hostDir, &k.Facts); err != nil {
		return nil, err
	}
	k.Facts.Release = version(k.Facts.Release) // the rest names a machine
	all.Kernels = append(all.Kernels, k)
	return all, nil
}

func testsOf(p *vmrun.PackageResult) Tests {
	t := Tests{Package: p.Package}
	for _, test := range p.Tests {
		switch test.Outcome {
		case vmrun.Skip:
			t.Skipped = append(t.Skipped, test.Name+": "+test.Reason)
		case vmrun.Pass:
			t.Passed++
		default:
			t.Failed++
		}
	}
	return t
}

// findFacts reads the facts file somewhere below dir.
func findFacts(dir string, facts *Facts) error {
	var found string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == FactsName {
			found = path
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for facts: %w", err)
	}
	if found == "" {
		return fmt.Errorf("look for facts: no %s below %s: did the tests of internal/probe run there?", FactsName, dir)
	}
	return readJSON(found, facts)
}

// Load reads docs/kernels.json.
func Load(file string) (*Kernels, error) {
	var k Kernels
	return &k, readJSON(file, &k)
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read kernels: %w", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read kernels: %s: %w", file, err)
	}
	return nil
}

// Save writes the facts, and the document made from them beside.
func (k *Kernels) Save(file string) error {
	data, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return fmt.Errorf("encode kernels: %w", err)
	}
	document := file[:len(file)-len(filepath.Ext(file))] + ".md"
	return errors.Join(
		os.WriteFile(file, append(data, '\n'), 0o644),
		os.WriteFile(document, []byte(k.Markdown()), 0o644),
	)
}
