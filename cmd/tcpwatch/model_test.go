package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// runVerb executes one command alone, on a terminal of that width (0: not a
// terminal), and returns what it wrote.
func runVerb(t *testing.T, newCommand func(*env) *cobra.Command, width int, args ...string) (string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := &env{
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		getenv:   func(string) string { return "" },
		terminal: func(io.Writer) (int, bool) { return width, width > 0 },
	}
	cmd := newCommand(e)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs(append([]string{}, args...)) // of nil cobra would make those of the test
	err := cmd.ExecuteContext(context.Background())
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", stderr.String())
	}
	return stdout.String(), err
}

// wantGoldenText compares with testdata/NAME.golden. go test -update
// rewrites it: read the difference before you keep it.
func wantGoldenText(t *testing.T, name, have string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s differs; have:\n%s", path, have)
	}
}

func wantUsage(t *testing.T, err error, part string) {
	t.Helper()
	var exit *exitError
	if !errors.As(err, &exit) || exit.code != exitUsage {
		t.Fatalf("want a usage error, got %v", err)
	}
	if !strings.Contains(err.Error(), part) {
		t.Errorf("want %q in %q", part, err)
	}
}

func TestModel(t *testing.T) {
	for _, test := range []struct {
		golden string
		width  int
		args   []string
	}{
		{"model_plain", 0, nil},
		{"model_200", 200, nil},
		{"model_120", 120, nil},
		{"model_80", 80, nil},
		{"model_mermaid", 0, []string{"-o", "mermaid"}},
	} {
		t.Run(test.golden, func(t *testing.T) {
			out, err := runVerb(t, newModelCommand, test.width, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			wantGoldenText(t, test.golden, out)
		})
	}
}

func TestModelFitsTheTerminal(t *testing.T) {
	const narrowest = 11 + 2 + 11 + 2 + 32 // FROM TO RULE, which are always there
	for width := narrowest; width < 320; width++ {
		out, err := runVerb(t, newModelCommand, width)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			if n := len(strings.TrimRight(line, "\n")); n > width {
				t.Fatalf("%d columns on a terminal of %d: %q", n, width, line)
			}
			if strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
				t.Fatalf("spaces at the end of %q", line)
			}
		}
	}
	if _, err := runVerb(t, newModelCommand, 5); err != nil {
		t.Errorf("a very narrow terminal: %v", err)
	}
}

func TestModelMachineFormats(t *testing.T) {
	out, err := runVerb(t, newModelCommand, 80, "-o", "json")
	if err != nil || !json.Valid([]byte(out)) {
		t.Errorf("json: %v", err)
	}
	out, err = runVerb(t, newModelCommand, 80, "--output=dot")
	if err != nil || !strings.HasPrefix(out, "digraph") {
		t.Errorf("dot: %v, %.40q", err, out)
	}
}

func TestModelUsage(t *testing.T) {
	_, err := runVerb(t, newModelCommand, 0, "-o", "yaml")
	wantUsage(t, err, `unknown output "yaml"`)
	_, err = runVerb(t, newModelCommand, 0, "LISTEN")
	wantUsage(t, err, "takes no arguments")
}
