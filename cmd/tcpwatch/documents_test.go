package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that a document names exists.
func TestDocumentsNameTests(t *testing.T) {
	var tests strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		tests.Write(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for document, least := range map[string]int{"attribution.md": 10, "loss.md": 10, "waits.md": 10, "model.md": 10, "machine.md": 1, "agent.md": 8, "alerts.md": 10} {
		text, err := os.ReadFile("../../docs/" + document)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(text), -1)
		if len(named) < least {
			t.Errorf("%s names %d tests, want at least %d", document, len(named), least)
		}
		for _, m := range named {
			if !strings.Contains(tests.String(), "\nfunc "+m[1]+"(t *testing.T) {") {
				t.Errorf("%s names %s, which there is not", document, m[1])
			}
		}
	}
}
