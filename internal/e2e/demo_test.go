package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// The story that each scenario of the demo is there to tell.
var stories = map[string][]string{
	"keep-open":          {"SYN_SENT>ESTABLISHED", "SYN_RECV>ESTABLISHED"},
	"leaked-close-wait":  {"ESTABLISHED>CLOSE_WAIT"},
	"client-closes":      {"ESTABLISHED>FIN_WAIT1", "LAST_ACK>CLOSE", "closed: fin"},
	"server-closes":      {"ESTABLISHED>FIN_WAIT1", "LAST_ACK>CLOSE", "closed: fin"},
	"half-close":         {"ESTABLISHED>CLOSE_WAIT", "CLOSE_WAIT>LAST_ACK", "closed: fin"},
	"reset":              {"ESTABLISHED>CLOSE", "closed: reset_by_local_linger", "closed: reset_by_peer"},
	"unread":             {"closed: reset_by_local_unread", "closed: reset_by_peer"},
	"refused":            {"SYN_SENT>CLOSE", "closed: refused"},
	"simultaneous-close": {"FIN_WAIT1>CLOSING", "CLOSING>CLOSE"},
	"simultaneous-open":  {"SYN_SENT>SYN_RECV", "SYN_RECV>ESTABLISHED", "FIN_WAIT1>CLOSING"},
}

// demo --live without a terminal tells the story of each scenario, and ends.
func TestDemoTellsEachStory(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	list := mustOutput(t, "demo", "--list")
	if n := strings.Count(string(list), "\n"); n != len(stories) {
		t.Errorf("%d scenarios, %d stories", n, len(stories))
	}
	for line := range strings.Lines(string(list)) {
		name, _, _ := strings.Cut(line, " ")
		// What the kernel does in each is internal/demo's to test; here it is what is said.
		if kerneltest.Guest() != "" && !slices.Contains([]string{"half-close", "unread", "simultaneous-open"}, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := start(t, "demo", "--live", "--only", name, "--pause", "20ms", "--half-close", "100ms")
			if code := r.wait(); code != 0 {
				t.Fatalf("exit code %d: %s", code, r.stderr())
			}
			ours, pid := "", regexp.MustCompile(fmt.Sprintf(`\b%d\b`, r.cmd.Process.Pid))
			for l := range strings.Lines(string(r.stdout())) {
				if pid.MatchString(l) {
					ours += l
				}
			}
			for _, word := range stories[name] {
				if !strings.Contains(ours, word) {
					t.Errorf("nothing is said of %s:\n%s", word, ours)
				}
			}
			if strings.Contains(ours, "impossible") {
				t.Errorf("impossible:\n%s", ours)
			}
			checkClean(t, "demo", r.stdout())
		})
	}
}
