package probe

import (
	"os"
	"strconv"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// The hooks of which every firing is accounted for, by their counters.
var tracepoints = map[string]string{
	"inet_sock_set_state": "sock/inet_sock_set_state",
	"tcp_destroy_sock":    kerneltest.DestroySock,
	"tcp_send_reset":      kerneltest.SendReset,
	"tcp_receive_reset":   kerneltest.ReceiveReset,
	"tcp_retransmit_skb":  kerneltest.RetransmitSkb,
}

// books compares the counters of a probe with the kernel's own count of how
// often each tracepoint was hit.
type books struct {
	probe   *Probe
	witness *kerneltest.Witness
	fired   map[string]firings
	opening map[string]uint64 // what the count was ahead of the counters at the start
}

// openBooks begins at a moment in which no tracepoint is hit.
func openBooks(t *testing.T, p *Probe) *books {
	t.Helper()
	b := &books{probe: p, fired: map[string]firings{}}
	b.witness = kerneltest.NewWitness(t, kerneltest.WitnessOptions{
		BufferKB: 64 << 10, Also: []string{kerneltest.DestroySock, kerneltest.SendReset, kerneltest.ReceiveReset, kerneltest.RetransmitSkb},
	})
	for hook, name := range tracepoints {
		b.fired[hook] = countFirings(t, name)
	}
	b.opening = b.ahead(t)
	return b
}

// totals reads every count.
func (b *books) totals(t *testing.T) map[string]uint64 {
	t.Helper()
	n := map[string]uint64{}
	for hook, f := range b.fired {
		n[hook] = f.total(t)
	}
	return n
}

// ahead returns by how much the count of each hook is ahead of the counters,
// at a moment in which no tracepoint was hit.
func (b *books) ahead(t *testing.T) map[string]uint64 {
	t.Helper()
	ahead := map[string]uint64{}
	kerneltest.Eventually(t, patience, func() bool {
		before := b.totals(t)
		counters, err := b.probe.Counters()
		if err != nil {
			t.Fatal(err)
		}
		for hook, n := range b.totals(t) {
			if n != before[hook] {
				return false
			}
		}
		for _, c := range counters {
			if n, ok := before[c.Hook]; ok {
				ahead[c.Hook] = n - c.Seen - c.Nested
			}
		}
		return true
	}, "a moment without TCP events")
	return ahead
}

// check fails the test unless every firing since openBooks was seen or counted
// as nested. It returns how many were hidden.
//
// The kernels of some sandboxes run no tracing program while a thread of
// process 1 is current, and so not in an interrupt of one either, and do not
// count that: such events are hidden. The witness, which is no program, sees
// them.
func (b *books) check(t *testing.T) (hidden uint64) {
	t.Helper()
	ahead := b.ahead(t)
	byHook := map[string]uint64{}
	of1 := threadsOf1(t)
	for _, e := range b.witness.Events() {
		if of1[e.PID] {
			byHook[e.Name]++
		}
	}
	for hook, name := range tracepoints {
		missing := ahead[hook] - b.opening[hook]
		if missing > byHook[name] {
			t.Errorf("%s: %d firings unaccounted for, %d of them may be hidden", hook, missing, byHook[name])
		}
		hidden += missing
	}
	return hidden
}

func threadsOf1(t *testing.T) map[int]bool {
	t.Helper()
	names, err := os.ReadDir("/proc/1/task")
	if err != nil {
		t.Fatal(err)
	}
	threads := map[int]bool{}
	for _, name := range names {
		if tid, err := strconv.Atoi(name.Name()); err == nil {
			threads[tid] = true
		}
	}
	return threads
}

// checkDelivered fails the test unless everything that the programs saw was
// filtered, counted as lost, or delivered. Only once the stream has ended.
func checkDelivered(t *testing.T, p *Probe, delivered uint64) (lost, nested uint64) {
	t.Helper()
	counters, err := p.Counters()
	if err != nil {
		t.Fatal(err)
	}
	var seen, filtered uint64
	for _, c := range counters {
		seen += c.Seen
		filtered += c.Filtered
		lost += c.Lost
		nested += c.Nested
	}
	if seen != filtered+lost+delivered {
		t.Errorf("seen %d, but %d filtered + %d lost + %d delivered", seen, filtered, lost, delivered)
	}
	return lost, nested
}
