package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/ruletest"
)

const alertsDoc = "../../docs/alerts.md"

// The tables of docs/alerts.md are what the code has.
func TestAlertTables(t *testing.T) {
	b, err := os.ReadFile(alertsDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, rows := range map[string]string{"subjects": subjectRows(), "builtin": builtinRows()} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end -->\n"
		before, rest, ok := strings.Cut(text, begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("docs/alerts.md has no place for %s", name)
		}
		text = before + begin + "\n" + rows + "\n" + end + after
	}
	if text == string(b) {
		return
	}
	if !*update {
		t.Fatal("the tables in docs/alerts.md are not what the code has: go test ./cmd/tcpwatch -update")
	}
	if err := os.WriteFile(alertsDoc, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func subjectRows() string {
	var b strings.Builder
	b.WriteString("| on | what it is | by | numbers |\n| --- | --- | --- | --- |\n")
	for _, s := range alert.Subjects() {
		var numbers []string
		for _, n := range s.Numbers {
			if s.Name == "namespaces" {
				numbers = append(numbers, "`"+n[0]+"`")
				continue
			}
			numbers = append(numbers, fmt.Sprintf("`%s`: %s", n[0], n[1]))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, s.Meaning, strings.Join(s.By, ", "), strings.Join(numbers, "; "))
	}
	return b.String()
}

func builtinRows() string {
	var b strings.Builder
	b.WriteString("| rule | on | where | expr | for |\n| --- | --- | --- | --- | --- |\n")
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	for _, r := range alert.Builtin() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.Name, r.On, code(r.Where), code(r.Expr), alert.FormatDuration(r.For))
	}
	return b.String()
}

// The examples of docs/alerts.md are files that tcpwatch takes.
func TestAlertExamples(t *testing.T) {
	if _, err := alert.Parse(alertsDoc, example(t, "<!-- rules")); err != nil {
		t.Error(err)
	}
	f, err := ruletest.Parse(filepath.Base(alertsDoc), example(t, "<!-- tests"))
	if err != nil {
		t.Fatal(err)
	}
	failures, err := ruletest.Run(f, os.ReadFile)
	if err != nil || len(failures) > 0 {
		t.Errorf("%v %v", err, failures)
	}
}

// example returns the YAML after a mark in docs/alerts.md.
func example(t *testing.T, mark string) []byte {
	t.Helper()
	b, err := os.ReadFile(alertsDoc)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), mark)
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	text, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatalf("docs/alerts.md has no example after %s", mark)
	}
	return []byte(text)
}
