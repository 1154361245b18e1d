package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

func TestExplain(t *testing.T) {
	for _, test := range []struct {
		golden string
		width  int
		args   []string
	}{
		{"explain_close_wait", 0, []string{"close-wait"}},
		{"explain_several", 0, []string{"TIME_WAIT", "reset_by_peer", "time-wait-handover", "end-fin-wait2-handover", "unknown"}},
		{"explain_narrow", 40, []string{"CLOSE_WAIT", "end-unread-data"}},
		{"explain_list", 0, nil},
		{"explain_list_60", 60, nil},
		{"explain_json", 0, []string{"-o", "json", "fin", "abnormal"}},
	} {
		t.Run(test.golden, func(t *testing.T) {
			out, err := runVerb(t, newExplainCommand, test.width, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			wantGoldenText(t, test.golden, out)
		})
	}
}

func TestExplainEveryName(t *testing.T) {
	for _, entry := range model.Entries() {
		out, err := runVerb(t, newExplainCommand, 60, strings.ToLower(entry.Name))
		if err != nil {
			t.Errorf("%s: %v", entry.Name, err)
			continue
		}
		if !strings.HasPrefix(out, entry.Name+" (") {
			t.Errorf("%s: starts with %.40q", entry.Name, out)
		}
		if _, ok := kindTitles[entry.Kind]; !ok {
			t.Errorf("%s: kind %s has no title", entry.Name, entry.Kind)
		}
		for line := range strings.Lines(out) {
			if n := len(strings.TrimRight(line, "\n")); n > 60 && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%s: %d columns in %q", entry.Name, n, line)
			}
		}
	}
}

func TestExplainEveryCounter(t *testing.T) {
	for n := range events.NumCounters {
		if e, ok := model.Explain(n.String()); !ok || e.Kind != model.KindField {
			t.Errorf("%s (%s) is not explained", n, n.Kernel())
		}
	}
}

func TestExplainListsEveryNameOnce(t *testing.T) {
	out, err := runVerb(t, newExplainCommand, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range model.Entries() {
		if n := strings.Count("\n"+out, "\n  "+entry.Name+" "); n != 1 {
			t.Errorf("%s is listed %d times", entry.Name, n)
		}
	}
}

func TestExplainJSON(t *testing.T) {
	out, err := runVerb(t, newExplainCommand, 0, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var entries []model.Entry
	if err := json.Unmarshal([]byte(out), &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(model.Entries()) {
		t.Errorf("%d entries, want %d", len(entries), len(model.Entries()))
	}
}

func TestExplainUsage(t *testing.T) {
	_, err := runVerb(t, newExplainCommand, 0, "CLOSE_WIAT")
	wantUsage(t, err, "did you mean CLOSE_WAIT?")
	out, err := runVerb(t, newExplainCommand, 0, "LISTEN", "xyzzyxyzzy")
	wantUsage(t, err, `nothing is called "xyzzyxyzzy"`)
	if out != "" {
		t.Errorf("wrote %q before the error", out)
	}
	_, err = runVerb(t, newExplainCommand, 0, "-o", "csv", "LISTEN")
	wantUsage(t, err, `unknown output "csv"`)
}

func TestExplainCompletion(t *testing.T) {
	var stdout bytes.Buffer
	root := &cobra.Command{Use: "tcpwatch"}
	root.AddCommand(newExplainCommand(&env{stdout: &stdout}))
	root.SetOut(&stdout)
	root.SetErr(io.Discard)
	root.SetArgs([]string{"__complete", "explain", "LISTEN", "close_w"})
	if err := root.Execute(); err != nil || !strings.HasPrefix(stdout.String(), "CLOSE_WAIT\t") {
		t.Errorf("close_w completes to %q, %v", stdout.String(), err)
	}
	found, directive := completeNames(nil, nil, "close")
	if directive != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("directive %d", directive)
	}
	if all := strings.Join(found, "\n"); !strings.Contains(all, "CLOSE_WAIT\tThe peer has closed") || strings.Contains(all, "LISTEN") {
		t.Errorf("close completes to:\n%s", all)
	}
	if all, _ := completeNames(nil, nil, ""); len(all) != len(model.Entries()) {
		t.Errorf("%d names, want %d", len(all), len(model.Entries()))
	}
}
