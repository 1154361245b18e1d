package demo

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// hasty runs at the pace of a test.
func hasty(only ...string) Options {
	return Options{Pause: 1, HalfClose: 1, IPv6: true, Only: only}
}

// The lives that many scenarios share.
const (
	firstToClose  = ">ESTABLISHED>FIN_WAIT1>FIN_WAIT2>CLOSE"
	secondToClose = ">ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSE"
	aborted       = ">ESTABLISHED>CLOSE"
	asClient      = "CLOSE>SYN_SENT"
	asServer      = "LISTEN>SYN_RECV"
)

// paths is what the two ends of each scenario's connections go through.
var paths = map[string][]string{
	"keep-open":         {asClient + firstToClose, asServer + secondToClose},
	"leaked-close-wait": {asClient + firstToClose, asServer + secondToClose},
	"client-closes":     {asClient + firstToClose, asServer + secondToClose},
	"server-closes":     {asClient + secondToClose, asServer + firstToClose},
	"half-close":        {asClient + firstToClose, asServer + secondToClose},
	"reset":             {asClient + aborted, asServer + aborted},
	"unread":            {asClient + aborted, asServer + aborted},
	"refused":           {"CLOSE>SYN_SENT>CLOSE"},
	"simultaneous-close": {
		asClient + ">ESTABLISHED>FIN_WAIT1>CLOSING>CLOSE",
		asServer + ">ESTABLISHED>FIN_WAIT1>CLOSING>CLOSE",
	},
	"simultaneous-open": {"CLOSE>SYN_SENT>SYN_RECV>ESTABLISHED>FIN_WAIT1>CLOSING>CLOSE"},
}

func TestScenariosGoThroughTheirStates(t *testing.T) {
	kerneltest.RequireRoot(t)
	for _, sc := range Scenarios() {
		if sc.Name == "simultaneous-close" {
			continue // its outcome depends on the processors: see TestSimultaneousClose
		}
		t.Run(sc.Name, func(t *testing.T) {
			kerneltest.LeakCheck(t)
			w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{})
			const rounds = 3
			made := play(t, rounds, sc.Name)
			want := make(map[string]int)
			for _, path := range paths[sc.Name] {
				want[path] = len(made)
			}
			if len(made) < rounds || len(want) == 0 {
				t.Fatalf("%d connections, %d paths to expect", len(made), len(want))
			}
			var got map[string]int
			w.Await(kerneltest.Within(5*time.Second), func(all []kerneltest.Event) bool {
				got = livesOf(all, made)
				return sum(got) >= sum(want)
			}, "the end of every connection")
			if !maps.Equal(got, want) {
				t.Errorf("paths %v, want %v", got, want)
			}
		})
	}
}

// TestSimultaneousClose asks for what holds on any machine, and tells how often
// both ends met.
func TestSimultaneousClose(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{})
	made := play(t, 10, "simultaneous-close")
	var got map[string]int
	w.Await(kerneltest.Within(5*time.Second), func(all []kerneltest.Event) bool {
		got = livesOf(all, made)
		return sum(got) >= 2*len(made)
	}, "the end of every connection")
	closing, late := 0, 0
	for path, n := range got {
		switch {
		case strings.Contains(path, ">ESTABLISHED>FIN_WAIT1>"):
		case strings.HasSuffix(path, ">ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSE"):
			late += n // on a busy machine one end may sleep over the other's FIN
		default:
			t.Errorf("%d x %s", n, path)
		}
		if strings.Contains(path, ">CLOSING>") {
			closing += n
		}
	}
	if late > len(made)/4 {
		t.Errorf("%d connections, of which %d were not closed by both ends at once: %v", len(made), late, got)
	}
	if closing < len(made) {
		t.Errorf("%d connections, CLOSING only %d times: %v", len(made), closing, got)
	}
	t.Logf("%d connections, both ends in CLOSING in %d: %v", len(made), closing-len(made), got)
}

// portPair is how a test knows its connections again: the client's port and the
// server's, in this order.
type portPair struct{ client, server uint16 }

// play runs a scenario and returns the connections that it made.
func play(t *testing.T, rounds int, only string) map[portPair]bool {
	t.Helper()
	made := make(map[portPair]bool)
	o := hasty(only)
	o.Rounds = rounds
	o.Log = func(scenario string, laddr, raddr netip.AddrPort) {
		if scenario != only || !laddr.Addr().IsLoopback() || !raddr.Addr().IsLoopback() || raddr.Port() == 0 {
			t.Errorf("logged %s, %v to %v", scenario, laddr, raddr)
		}
		made[portPair{laddr.Port(), raddr.Port()}] = true
	}
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	return made
}

// livesOf counts the finished lives of the connections' ends, by path.
func livesOf(all []kerneltest.Event, made map[portPair]bool) map[string]int {
	return kerneltest.Paths(slices.DeleteFunc(kerneltest.Lives(all), func(l kerneltest.Life) bool {
		ours := made[portPair{l.Sport, l.Dport}] || made[portPair{l.Dport, l.Sport}]
		return !ours || l.Events[len(l.Events)-1].New != "CLOSE"
	}))
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func TestRunEndsWithItsContext(t *testing.T) {
	kerneltest.LeakCheck(t)
	ctx, cancel := context.WithCancel(context.Background())
	o := hasty("keep-open")
	o.Rounds = 1 << 30
	calls := 0
	o.Log = func(string, netip.AddrPort, netip.AddrPort) {
		if calls++; calls == 3*maxHeld {
			cancel()
		}
	}
	if err := Run(ctx, o); err != nil {
		t.Error(err)
	}
	if calls != 3*maxHeld {
		t.Errorf("%d connections, want %d", calls, 3*maxHeld)
	}
}

func TestEveryScenarioEndsWithItsContext(t *testing.T) {
	for _, sc := range Scenarios() {
		if sc.Name == "simultaneous-close" {
			continue // its outcome depends on the processors: see TestSimultaneousClose
		}
		t.Run(sc.Name, func(t *testing.T) {
			kerneltest.LeakCheck(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			o := Options{Pause: time.Hour, HalfClose: time.Hour, Only: []string{sc.Name}}
			o.Log = func(string, netip.AddrPort, netip.AddrPort) { cancel() }
			if err := Run(ctx, o); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnknownScenario(t *testing.T) {
	if err := Run(context.Background(), hasty("client-closes", "nonsense")); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v", err)
	}
}

func TestScenariosAreDescribed(t *testing.T) {
	seen := make(map[string]bool)
	for _, sc := range Scenarios() {
		if sc.Name == "" || sc.About == "" || sc.run == nil || seen[sc.Name] || paths[sc.Name] == nil {
			t.Errorf("scenario %+v", sc)
		}
		seen[sc.Name] = true
	}
}
