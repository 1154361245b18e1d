package vmrun

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// ResultsName is the file that a matrix writes into its output directory.
const ResultsName = "results.json"

// Results is what came of a matrix: the content of results.json.
type Results struct {
	OK          bool           `json:"ok"`           // every guest ran, every test passed or was skipped
	WallSeconds float64        `json:"wall_seconds"` // of all, building the tests included
	Kernels     []KernelResult `json:"kernels"`      // in the order asked for
}

// KernelResult is what came of one kernel.
type KernelResult struct {
	Series   string          `json:"series"`   // as in kernels.lock: 6.1
	Release  string          `json:"release"`  // as of uname -r in a guest; empty if none got that far
	Packages []PackageResult `json:"packages"` // in the order asked for, the same for each kernel
}

// PackageResult is what came of one package's tests on one kernel, in a guest of
// their own.
type PackageResult struct {
	Package     string       `json:"package"`         // path within the module: internal/probe
	OK          bool         `json:"ok"`              // the test binary ended with 0
	Error       string       `json:"error,omitempty"` // what befell the guest, not the tests; NotRun if there was none
	Seconds     float64      `json:"seconds"`         // wall time, packing and boot included
	BootSeconds float64      `json:"boot_seconds"`    // until the test binary started; 0 if it never did
	Tests       []TestResult `json:"tests"`           // in the order of their ends
	Files       []string     `json:"files,omitempty"` // what tests wrote, below SERIES/PACKAGE beside results.json
}

// NotRun is the error of a package whose turn never came, or was cut short.
const NotRun = "not run"

// TestResult is what came of one top-level test, or of a subtest that did not
// pass.
type TestResult struct {
	Name    string  `json:"name"` // TestA, or TestA/sub
	Outcome Outcome `json:"outcome"`
	Seconds float64 `json:"seconds"`          // as the test itself tells, to 10 ms
	Reason  string  `json:"reason,omitempty"` // of a skip: its message's first line
}

// Outcome says how a test ended.
type Outcome string

// The outcomes.
const (
	Pass       Outcome = "pass"
	Skip       Outcome = "skip"
	Fail       Outcome = "fail"
	Unfinished Outcome = "unfinished" // it began and never told of its end
)

// Save writes DIR/results.json, and DIR if there is none.
func (r *Results) Save(dir string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("save results: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ResultsName), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("save results: %w", err)
	}
	return nil
}

// newResults returns results of packages none of which has run.
func newResults(kernels []string, packages []testPackage) *Results {
	r := &Results{}
	for _, k := range kernels {
		kernel := KernelResult{Series: k}
		for _, p := range packages {
			kernel.Packages = append(kernel.Packages, PackageResult{Package: p.name, Error: NotRun, Tests: []TestResult{}})
		}
		r.Kernels = append(r.Kernels, kernel)
	}
	return r
}

// allOK reports whether there is nothing to complain about.
func (r *Results) allOK() bool {
	for _, k := range r.Kernels {
		for _, p := range k.Packages {
			if !p.OK {
				return false
			}
		}
	}
	return true
}

// count returns how many top-level tests passed and failed, and how many tests,
// subtests included, were skipped.
func (p *PackageResult) count() (passed, failed, skipped int) {
	for _, t := range p.Tests {
		switch {
		case t.Outcome == Skip:
			skipped++
		case t.isSubtest():
		case t.Outcome == Pass:
			passed++
		default:
			failed++
		}
	}
	return passed, failed, skipped
}
