package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// pages is a webhook that keeps what it is told.
type pages struct {
	mu   sync.Mutex
	told []page
}

type page struct {
	Status string
	Labels map[string]string
	Value  float64
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Alerts []page }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, body.Alerts...)
}

// of returns what was told of a rule.
func (p *pages) of(rule string) (some []page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.told {
		if a.Labels["alertname"] == rule {
			some = append(some, a)
		}
	}
	return some
}

// The agent watches the kernel: a server that forgets to close is told of once, by
// name, and once more when it has ended; Prometheus is shown the same.
func TestAgentTellsOfALeak(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := newNetns(t)
	h := inNetns(ns, func() *helper { return startHelper(t, "leak", "127.0.0.1:0", "leaky") })
	hook := &pages{}
	server := httptest.NewServer(hook)
	defer server.Close()
	dir := t.TempDir()
	files := map[string]string{
		// The built-in rule but for its patience, which is minutes, and its threshold.
		"rules.yaml": "groups:\n  - name: quick\n    rules:\n      - alert: CloseWaitLeak\n        on: sockets\n" +
			"        where: section == \"close_wait\" and comm == \"leaky\"\n        by: [netns, comm, pid, lport]\n        expr: count > 20\n        clear: \"< 10\"\n        for: 1s\n",
		"agent.yaml": fmt.Sprintf("listen: 127.0.0.1:0\nevaluate_every: 300ms\nrules: [%s]\nsinks:\n  - {type: webhook, url: %q}\n", filepath.Join(dir, "rules.yaml"), server.URL),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, "agent", "--config", filepath.Join(dir, "agent.yaml"))
	listening := regexp.MustCompile(`listening on (\S+)`)
	kerneltest.Eventually(t, patience, func() bool { return listening.MatchString(r.stderr()) }, "the agent to listen")
	const leaks = 40
	ns.Do(func() {
		for i := range leaks {
			leakOne(t, h.addr, 1+i)
		}
	})
	kerneltest.Eventually(t, patience, func() bool { return len(hook.of("CloseWaitLeak")) > 0 }, "the alert")
	firing := hook.of("CloseWaitLeak")[0]
	if firing.Status != "firing" || firing.Value != leaks || firing.Labels["comm"] != "leaky" || firing.Labels["pid"] != fmt.Sprint(h.pid()) {
		t.Errorf("told %+v, want %d sockets of %d/leaky", firing, leaks, h.pid())
	}
	scrape := func() string {
		resp, err := http.Get("http://" + listening.FindStringSubmatch(r.stderr())[1] + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if text := scrape(); !strings.Contains(text, `tcpwatch_sockets{family="ipv4",state="close_wait"} `) || !strings.Contains(text, `tcpwatch_transitions_total{from="established",to="close_wait"} `) {
		t.Errorf("the metrics lack CLOSE_WAIT:\n%s", text)
	}
	h.stop() // which ends its sockets
	kerneltest.Eventually(t, patience, func() bool { return len(hook.of("CloseWaitLeak")) > 1 }, "the end of the alert")
	if told := hook.of("CloseWaitLeak"); len(told) != 2 || told[1].Status != "resolved" {
		t.Errorf("told %+v, want firing and resolved, once each", told)
	}
	http.DefaultClient.CloseIdleConnections()
	r.interrupt()
}
