package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runRules runs a command line of rules, and returns the exit code and what it wrote.
func runRules(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, bad bytes.Buffer
	e := &env{
		stdin: strings.NewReader(""), stdout: &out, stderr: &bad,
		getenv:   func(string) string { return "" },
		terminal: func(io.Writer) (int, bool) { return 0, false },
	}
	code = run(context.Background(), e, append([]string{"rules"}, args...))
	return code, out.String(), bad.String()
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRulesCommand(t *testing.T) {
	dir := t.TempDir()
	const head = "groups:\n  - name: g\n    rules:\n      - alert: Mine\n        on: self\n"
	good := writeFile(t, dir, "good.yaml", head+"        expr: lost > 5\n")
	bad := writeFile(t, dir, "bad.yaml", head+"        expr: lots > 5\n        fro: 5m\n")
	hostile := writeFile(t, dir, "hostile.yaml", "\"\\e[31m\": 1\n")
	test := "rule_files: [good.yaml]\ntests:\n  - name: one\n    events:\n      - event: {event: lost, count: 6, where: ring}\n    exp_changes: {Mine: "
	passes := writeFile(t, dir, "passes.yaml", test+"[firing, resolved]}\n")
	fails := writeFile(t, dir, "fails.yaml", test+"[]}\n")
	cases := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"nothing", nil, exitUsage, "", "rules what: want check, test, list or export"},
		{"unknown", []string{"chek"}, exitUsage, "", `unknown command "chek": did you mean check?`},
		{"check", []string{"check", good}, exitOK, good + ": 1 rule\n", ""},
		{"check quietly", []string{"check", "-q", good}, exitOK, "", ""},
		{"check no file", []string{"check"}, exitUsage, "", "tcpwatch rules check wants a FILE"},
		{"check a bad one", []string{"check", good, bad}, exitUsage, "", bad + ":6:15: parse expression: unknown name lots: did you mean lost?"},
		{"check a bad one, the second mistake", []string{"check", bad}, exitUsage, "", "\n" + bad + `:7:9: unknown key "fro": did you mean for?`},
		{"check a missing one", []string{"check", dir + "/none"}, exitUsage, "", "open " + dir + "/none"},
		{"check a hostile one", []string{"check", hostile}, exitUsage, "", `unknown key "\\x1b[31m"`},
		{"test", []string{"test", passes}, exitOK, "ok " + passes + ": 1 test\n", ""},
		{"test that fails", []string{"test", passes, fails}, exitFound, "FAILED " + fails + ":3: one: Mine was told as [firing resolved], want []", ""},
		{"test that is none", []string{"test", good}, exitUsage, "", good + `:1:1: unknown key "groups"`},
		{"list", []string{"list", good}, exitOK, "Mine ", ""},
		{"list a bad one", []string{"list", bad}, exitUsage, "", "unknown name lots"},
		{"list as nothing", []string{"list", "-o", "jsn"}, exitUsage, "", "did you mean json?"},
		{"export", []string{"export", "--format", "prometheus", good}, exitOK, "# Mine: no metric tells it", ""},
		{"export to nothing", []string{"export", "--format", "x"}, exitUsage, "", "want prometheus or tcpwatch"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := runRules(t, c.args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) || c.stderr == "" && stderr != "" {
				t.Errorf("exit code %d, want %d\n%s\n%s", code, c.code, stdout, stderr)
			}
		})
	}
}

func TestRulesList(t *testing.T) {
	_, table, _ := runRules(t, "list")
	wantGoldenText(t, "rules_list", table)
	_, text, _ := runRules(t, "list", "-o", "json")
	var all []map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != strings.Count(table, "\n")-1 || all[0]["alert"] != "CloseWaitLeak" {
		t.Errorf("%v %s", err, text)
	}
}

// The exported file of the built-in rules is a rules file.
func TestRulesExportIsRead(t *testing.T) {
	_, text, _ := runRules(t, "export", "--format", "tcpwatch")
	if code, _, stderr := runRules(t, "check", writeFile(t, t.TempDir(), "r.yaml", text)); code != exitOK {
		t.Error(stderr)
	}
}
