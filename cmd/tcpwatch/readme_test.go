package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/model"
)

var update = flag.Bool("update", false, "write the golden parts of the documents anew")

const (
	readme       = "../../README.md"
	diagramBegin = "<!-- the output of: tcpwatch model -o mermaid -->\n```mermaid\n"
	diagramEnd   = "```\n"
)

// The README's diagram is what the model draws.
func TestReadmeDiagram(t *testing.T) {
	var diagram bytes.Buffer
	if err := model.Mermaid(&diagram); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), diagramBegin)
	if !ok {
		t.Fatal("README.md has no place for the diagram")
	}
	got, after, ok := strings.Cut(rest, diagramEnd)
	if !ok {
		t.Fatal("the diagram in README.md does not end")
	}
	if got == diagram.String() {
		return
	}
	if !*update {
		t.Fatalf("the diagram in README.md is not what tcpwatch model -o mermaid prints: go test ./cmd/tcpwatch -update")
	}
	if err := os.WriteFile(readme, []byte(before+diagramBegin+diagram.String()+diagramEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every command line that the README shows for tcpwatch is one that it takes.
func TestReadmeCommands(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	n, code := 0, false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			code = strings.HasPrefix(line, "```sh")
		}
		words, ok := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(line), "sudo "), "tcpwatch ")
		if !ok || !code {
			continue
		}
		words, _, _ = strings.Cut(words, "#")
		words, _, _ = strings.Cut(words, ">")
		args := splitWords(words)
		root := newRoot(&env{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, getenv: os.Getenv})
		cmd, rest, err := root.Find(args)
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil && cmd == root && len(args) > 0 {
			err = unknownCommand(root, args)
		}
		if err != nil {
			t.Errorf("%q: %v", words, err)
		}
		n++
	}
	if n < 7 {
		t.Errorf("found %d commands in README.md, want at least 7", n)
	}
}

// splitWords splits as a shell does, with single quotes.
func splitWords(s string) (words []string) {
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
