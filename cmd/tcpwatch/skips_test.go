package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maySkip lists the files that may skip a test by themselves, and why. All
// others prove what is missing: kerneltest.SkipProved, NeedProgram and Require….
var maySkip = map[string]string{
	"internal/explore/document_test.go":  "explores less with the race detector, and has other counts then",
	"internal/explore/proof_test.go":     "explores less with the race detector, and not every end then",
	"internal/kerneltest/require.go":     "is how the others skip",
	"internal/lockdown/lockdown_test.go": "would lock this kernel down until it stops",
	"internal/probe/ends_test.go":        "sets a limit of the whole machine, which it does in guests alone",
	"internal/vmrun/boot_test.go":        "boots machines, only when asked to",
	"internal/tui/pty_test.go":           "needs a terminal, which go test takes away from packages",
}

var skips = regexp.MustCompile(`\b(t|b|tb)\.Skip(f|Now)?\(`)

func TestSkipsProveThemselves(t *testing.T) {
	root := "../.."
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || path == filepath.Join(root, "cmd/tcpwatch/skips_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && skips.Match(text) {
			found = append(found, strings.TrimPrefix(filepath.ToSlash(path), root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		if maySkip[file] == "" {
			t.Errorf("%s skips a test by itself", file)
		}
	}
	for file := range maySkip {
		if !slices.Contains(found, file) {
			t.Errorf("%s skips nothing any more", file)
		}
	}
}
