package probe

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// A kernel without an optional hook or helper is watched without it, and the
// loss is stated.
func TestMissingFeatureIsALoss(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	type test struct {
		without func(*Features)
		loss    string // a part of what is stated
	}
	tests := map[string]test{
		"tcp_retransmit_skb":    {hook("tcp_retransmit_skb"), "retransmits"},
		"tcp_retransmit_synack": {hook("tcp_retransmit_synack"), "SYN-ACK retransmits"},
		"tcp_send_reset":        {hook("tcp_send_reset"), "resets sent"},
		"tcp_receive_reset":     {hook("tcp_receive_reset"), "resets received"},
		"tcp_destroy_sock":      {hook("tcp_destroy_sock"), "the end of a socket's memory"},
	}
	for i := range features {
		row := &features[i]
		test := tests[row.name]
		test.without = func(f *Features) { f.Answers[i] = No }
		if row.matters {
			test.loss = row.loses
		}
		tests[row.name] = test
	}
	if kerneltest.Guest() != "" { // what is the loader's alone is the same on every kernel
		maps.DeleteFunc(tests, func(name string, _ test) bool {
			return name != "tcp_destroy_sock" && name != features[CookieHelper].name
		})
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ns := roomy(t)
			p := load(t, Options{without: test.without})
			stated := slices.ContainsFunc(p.Losses, func(l Loss) bool {
				return strings.Contains(l.What, test.loss) && l.Why != ""
			})
			if test.loss != "" && !stated {
				t.Errorf("losses %+v, want one about %s", p.Losses, test.loss)
			}
			if slices.Contains(p.Attached(), name) {
				t.Errorf("attached to %v", p.Attached())
			}
			c := newTally(ns.Inum())
			f := follow(t, p, c)
			var made kerneltest.Churned
			ns.Do(func() { made = kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: 20}) })
			f.stop(t)
			if c.transitions() != made.Total() || len(c.unhealthy) > 0 {
				t.Errorf("%d transitions, want %d; impossible %v", c.transitions(), made.Total(), c.unhealthy)
			}
		})
	}
}

func hook(name string) func(*Features) {
	return func(f *Features) { f.Hooks[name] = false }
}

// Without the transitions there is nothing to watch, and the error says so.
func TestMissingRequiredHookIsAnError(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	p, err := Load(Options{without: hook("inet_sock_set_state")})
	if err == nil {
		_ = p.Close()
		t.Fatal("loaded")
	}
	if text := err.Error(); !strings.Contains(text, "inet_sock_set_state") || !strings.Contains(text, "5.8") {
		t.Errorf("the error says %q", text)
	}
}

// The names of a running kernel's reset reasons are found.
func TestResetReasonNames(t *testing.T) {
	kerneltest.RequireRoot(t)
	p := load(t, Options{InventoryOnly: true})
	needs(t, ResetReason)
	if !slices.Contains(valuesOf(p.Features.ResetReasons), "NOT_SPECIFIED") {
		t.Errorf("reset reasons %v", p.Features.ResetReasons)
	}
	if got := p.Features.ResetReasonName(1 << 30); got != "unknown(1073741824)" {
		t.Errorf("an unknown reason is %q", got)
	}
}

// needs skips the test on a kernel that refuses the smallest program that needs
// a feature. What the probe under test says of it does not count.
func needs(t *testing.T, which Feature) {
	t.Helper()
	switch row := &features[which]; row.try(btf.NewCache()) {
	case No:
		kerneltest.SkipProved(t, "the kernel lacks "+row.since, row.attempt(btf.NewCache()))
	case CannotTell:
		t.Fatalf("cannot tell whether the kernel has %s", row.since)
	}
}

func valuesOf(m map[uint32]string) (names []string) {
	for _, name := range m {
		names = append(names, name)
	}
	return names
}
