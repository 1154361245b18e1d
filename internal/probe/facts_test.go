package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneldoc"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/model"
)

// What this kernel offers and how it behaves, for docs/kernels.md: written into
// the directory that VMRUN_OUT names, if any.
func TestFacts(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	facts := kerneldoc.Facts{
		Release: unix.ByteSliceToString(u.Release[:]), Machine: unix.ByteSliceToString(u.Machine[:]),
		Features: featureFacts(t), Seen: behaviour(t),
	}
	p := load(t, Options{verifier: ebpf.LogLevelStats})
	facts.Hooks = p.Attached()
	for _, l := range p.Features.losses(true) {
		facts.Losses = append(facts.Losses, l.What)
	}
	facts.Programs = programFacts(t, p)
	data, err := json.MarshalIndent(facts, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", data)
	if dir := os.Getenv("VMRUN_OUT"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, kerneldoc.FactsName), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func featureFacts(t *testing.T) (facts []kerneldoc.Feature) {
	t.Helper()
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	for i := range features {
		row := &features[i]
		fact := kerneldoc.Feature{Name: row.name, Since: row.since, Types: row.read(kernel).String(), Instead: row.consequence()}
		if row.attempt != nil {
			fact.Program = row.try(btf.NewCache()).String()
		}
		facts = append(facts, fact)
	}
	return facts
}

// behaviour tries what no type tells.
func behaviour(t *testing.T) []kerneldoc.Seen {
	t.Helper()
	ns := roomy(t)
	p := load(t, Options{NoInventory: true})
	before := filtered(t, p, "tcp_send_reset")
	r := recording{}
	f := follow(t, p, r)
	refused(t, ns, kerneltest.IPv4)
	var all []kerneldoc.Seen
	see := func(what string, answer Answer) {
		all = append(all, kerneldoc.Seen{What: what, Answer: answer.String()})
	}
	see("the reset of no socket is traced", answer(filtered(t, p, "tcp_send_reset") > before))
	ns.Do(func() { connectTo(t, kerneltest.Listen(t, kerneltest.IPv4)) })
	f.stop(t)
	born := CannotTell
	for _, e := range r.of(ns.Inum(), events.Transition) {
		if e.From == model.Listen && e.To == model.SynRecv {
			born = answer(!e.Has(model.Stale))
		}
	}
	see("a newborn child knows its peer", born)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	see("MPTCP", answer(err == nil))
	if err == nil {
		err = unix.Close(fd)
	} else if errors.Is(err, unix.EPROTONOSUPPORT) {
		err = nil
	}
	if err != nil {
		t.Error(err)
	}
	see("BPF memory is locked memory", answer(kerneltest.HasStruct(t, "bpf_map_memory")))
	return all
}

// filtered returns how many events of a hook were no TCP socket's.
func filtered(t *testing.T, p *Probe, hook string) uint64 {
	t.Helper()
	counters, err := p.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		if c.Hook == hook {
			return c.Filtered
		}
	}
	t.Fatalf("no counters of %s", hook)
	return 0
}

var verifierStats = regexp.MustCompile(`processed (\d+) insns .*total_states (\d+) peak_states (\d+)`)

func programFacts(t *testing.T, p *Probe) (facts []kerneldoc.Program) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(p.coll.Programs)) {
		found := verifierStats.FindStringSubmatch(p.coll.Programs[name].VerifierLog)
		if found == nil {
			t.Errorf("the verifier says nothing of %s: %q", name, p.coll.Programs[name].VerifierLog)
			continue
		}
		fact := kerneldoc.Program{Name: name}
		for i, to := range []*int{&fact.Instructions, &fact.States, &fact.PeakStates} {
			n, err := strconv.Atoi(found[i+1])
			if err != nil {
				t.Fatal(fmt.Errorf("verifier's statistics: %w", err))
			}
			*to = n
		}
		facts = append(facts, fact)
	}
	return facts
}
