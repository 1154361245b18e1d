package e2e

import (
	"fmt"
	"maps"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Two at once see the same, and all of it.
func TestTwoAtOnceSeeTheSame(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{BufferKB: 64 << 10})
	var both [2]*run
	for i := range both {
		both[i] = start(t, "trace", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
	}
	for _, r := range both {
		r.ready(ns)
	}
	var made kerneltest.Churned
	ns.Do(func() {
		made = kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: kerneltest.Load(manyConnections / 4)})
	})
	n, lost := hidden(t, w, made.Ports), 0
	var seen [2]map[string]int
	for i, r := range both {
		r.interrupt()
		lines := r.lines()
		ours := sift(lines, func(l *line) bool { return l.involves(made.Ports...) })
		checkChurn(t, ours, made, lostOf(lines), n)
		lost += lostOf(lines)
		seen[i] = map[string]int{}
		for j := range ours {
			if l := &ours[j]; l.Event == "transition" || l.Event == "closed" {
				seen[i][fmt.Sprint(l.Event, l.Cookie, l.local(), l.remote(), l.From, l.To, l.Verdict, l.CloseReason)]++
			}
		}
	}
	if n+lost == 0 && !maps.Equal(seen[0], seen[1]) {
		t.Errorf("one saw %d different things, the other %d", len(seen[0]), len(seen[1]))
	}
	t.Logf("%d different things, %d hidden, %d lost", len(seen[0]), n, lost)
}
