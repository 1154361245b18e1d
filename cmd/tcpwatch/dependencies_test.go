package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// docs/dependencies.md names every direct dependency with the version that
// go.mod pins.
func TestDependenciesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}` | {{.Version}}{{end}}", "all").Output()
	if err != nil {
		t.Fatalf("list modules: %v", err)
	}
	n := 0
	for _, module := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if module == "" {
			continue
		}
		n++
		if !strings.Contains(string(doc), "`"+module+" |") {
			t.Errorf("docs/dependencies.md does not say why %s is there", strings.Replace(module, "` |", "", 1))
		}
	}
	if n < 5 {
		t.Errorf("found %d direct dependencies, want more", n)
	}
}
