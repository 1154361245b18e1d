package kerneldoc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/vmrun"
)

const committed = "../../docs/kernels.json"

// The document is made from the facts, and from nothing else.
func TestDocumentIsMadeFromTheFacts(t *testing.T) {
	k, err := Load(committed)
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/kernels.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(document) != k.Markdown() {
		t.Error("docs/kernels.md is not what docs/kernels.json makes: make kernels-doc")
	}
	var series []string
	for _, kernel := range k.Kernels {
		series = append(series, kernel.Series)
		for _, tests := range kernel.Tests {
			if tests.Failed > 0 {
				t.Errorf("%s: %d tests of %s fail in the document", kernel.Series, tests.Failed, tests.Package)
			}
		}
	}
	if want := []string{"5.10", "6.1", "6.12", "7", host}; !slices.Equal(series, want) {
		t.Errorf("columns %v, want %v", series, want)
	}
}

// two returns the committed facts twice, to change one.
func two(t *testing.T) (before, now *Kernels) {
	t.Helper()
	var both [2]*Kernels
	for i := range both {
		k, err := Load(committed)
		if err != nil {
			t.Fatal(err)
		}
		both[i] = k
	}
	return both[0], both[1]
}

func TestDifferences(t *testing.T) {
	tests := map[string]struct {
		change func(*Kernels)
		want   string // "" for none
	}{
		"nothing":            {func(*Kernels) {}, ""},
		"a probe inverted":   {func(k *Kernels) { k.Kernels[0].Facts.Features[0].Types = "yes" }, `5.10: feature "sockets of files"`},
		"a feature gone":     {func(k *Kernels) { k.Kernels[1].Facts.Features = k.Kernels[1].Facts.Features[1:] }, "no longer looked for"},
		"another behaviour":  {func(k *Kernels) { k.Kernels[2].Facts.Seen[0].Answer = "cannot tell" }, "6.12: seen"},
		"a hook gone":        {func(k *Kernels) { k.Kernels[3].Facts.Hooks = k.Kernels[3].Facts.Hooks[1:] }, "7: hooks"},
		"a new loss":         {func(k *Kernels) { k.Kernels[3].Facts.Losses = append(k.Kernels[3].Facts.Losses, "x") }, "7: losses"},
		"a fifth more work":  {func(k *Kernels) { grow(k, 1.19) }, ""},
		"more work":          {func(k *Kernels) { grow(k, 1.25) }, "instructions verified, before"},
		"less work":          {func(k *Kernels) { grow(k, 0.5) }, ""},
		"a program more":     {func(k *Kernels) { addProgram(k) }, "program new is new"},
		"a kernel more":      {func(k *Kernels) { k.Kernels[0].Series = "4.19" }, "4.19: not seen before"},
		"fewer kernels":      {func(k *Kernels) { k.Kernels = k.Kernels[1:] }, ""},
		"the same host":      {func(k *Kernels) { last(k).Facts.Hooks = nil }, "host: hooks"},
		"another host":       {func(k *Kernels) { last(k).Facts.Hooks, last(k).Facts.Release = nil, "9.9.9" }, ""},
		"a newer 6.1 kernel": {func(k *Kernels) { k.Kernels[1].Facts.Release = "6.1.999" }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before, now := two(t)
			test.change(now)
			got := strings.Join(Differences(before, now), "\n")
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("differences %q, want %q", got, test.want)
			}
		})
	}
}

func last(k *Kernels) *Kernel { return &k.Kernels[len(k.Kernels)-1] }

func grow(k *Kernels, by float64) {
	p := &k.Kernels[0].Facts.Programs[0]
	p.Instructions = int(float64(p.Instructions) * by)
}

func addProgram(k *Kernels) {
	f := &k.Kernels[0].Facts
	f.Programs = append(f.Programs, Program{Name: "new"})
}

// A directory without results, and one whose probe did not run.
func TestCollectExplains(t *testing.T) {
	dir := t.TempDir()
	if _, err := Collect(dir, ""); err == nil || !strings.Contains(err.Error(), vmrun.ResultsName) {
		t.Errorf("no results: %v", err)
	}
	r := vmrun.Results{Kernels: []vmrun.KernelResult{{Series: "6.1", Packages: []vmrun.PackageResult{{
		Package: "internal/probe", Tests: []vmrun.TestResult{
			{Name: factsTest, Outcome: vmrun.Pass}, {Name: "TestB", Outcome: vmrun.Skip, Reason: "why"}, {Name: "TestC", Outcome: vmrun.Unfinished},
		},
	}}}}}
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "6.1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Collect(dir, ""); err == nil || !strings.Contains(err.Error(), "internal/probe") {
		t.Errorf("no facts: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "6.1", FactsName), []byte(`{"release": "6.1.0-56"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	k, err := Collect(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Kernels[0].Tests[0]; got.Passed != 1 || got.Failed != 1 || len(got.Skipped) != 1 || got.Skipped[0] != "TestB: why" {
		t.Errorf("tests %+v", got)
	}
}
