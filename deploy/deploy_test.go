// Package deploy_test holds the examples to what tcpwatch serves and takes.
package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/model"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var using = []string{"prometheus/tcpwatch.rules.yaml", "prometheus/tcpwatch.rules.test.yaml", "grafana/tcpwatch.json", "../internal/alert/testdata/prometheus.golden"}

var (
	metricName = regexp.MustCompile(`\btcpwatch_[a-z0-9_]+\b`)
	matched    = regexp.MustCompile(`\b(state|verdict|close_reason|end)(?:=|!=|=~|!~|: )\\?"([a-z0-9_|]+)\\?"`)
)

// Every metric that a rule or a panel asks for is one that the agent serves.
func TestMetricsExist(t *testing.T) {
	served := map[string]bool{"tcpwatch_series_dropped_total": true}
	for line := range strings.Lines(read(t, "../internal/metrics/testdata/families.golden")) {
		name, rest, _ := strings.Cut(line, " ")
		served[name] = true
		if strings.HasPrefix(rest, "histogram") {
			served[name+"_bucket"], served[name+"_sum"], served[name+"_count"] = true, true, true
		}
	}
	recorded := regexp.MustCompile(`\binstance:tcpwatch_\w+`)
	for _, file := range using {
		text := recorded.ReplaceAllString(read(t, file), "")
		names := metricName.FindAllString(text, -1)
		for _, name := range names {
			if !served[name] {
				t.Errorf("%s asks for %s, which there is not", file, name)
			}
		}
		if len(names) < 8 {
			t.Errorf("%s asks for %d metrics, want more", file, len(names))
		}
	}
}

// Every label value that a rule or a panel asks for is a word of the contract.
func TestLabelValuesExist(t *testing.T) {
	is := map[string]func(string) bool{
		"state":        func(s string) bool { _, ok := model.ParseState(s); return ok },
		"verdict":      func(s string) bool { _, ok := model.ParseVerdict(s); return ok },
		"close_reason": func(s string) bool { _, ok := model.ParseCloseReason(s); return ok },
		"end":          func(s string) bool { _, ok := model.ParseTimeWaitEnd(s); return ok },
	}
	for _, file := range using {
		found := matched.FindAllStringSubmatch(read(t, file), -1)
		for _, m := range found {
			for _, value := range strings.Split(m[2], "|") {
				if !is[m[1]](value) {
					t.Errorf("%s asks for %s %q, which there is not", file, m[1], value)
				}
			}
		}
		if len(found) == 0 {
			t.Errorf("%s asks for no value", file)
		}
	}
}

func TestDashboard(t *testing.T) {
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/tcpwatch.json")), &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %q has an id twice, or shows nothing", p.Title)
		}
		ids[p.ID] = true
	}
}

func TestPromtool(t *testing.T) {
	kerneltest.NeedPackage(t, "promtool", "prometheus")
	for _, args := range [][]string{
		{"check", "rules", "tcpwatch.rules.yaml"},
		{"test", "rules", "tcpwatch.rules.test.yaml"},
		{"check", "config", "--syntax-only", "prometheus.example.yaml"},
	} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
