package peers

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sys/unix"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// scale is how much a run measures.
type scale struct {
	idle, storm            time.Duration
	starts, events         int  // how often it is started, and how many lone events
	screen, sockets, many  int  // sockets for the screen, for an inventory, and in the table
	rounds, perRound, deep int  // of the tools, and connections in each; of the inventories
	some                   bool // of the tools, those that the worst goals are about
}

var (
	whole = scale{time.Minute, 30 * time.Second, 9, 100, 60_000, 500_000, 1_000_000, 5, 20_000, 5, false}
	short = scale{time.Second, 6 * time.Second, 3, 10, 10_000, 50_000, 100_000, 2, 3_000, 2, true}
)

// tool is one way to watch the traffic.
type tool struct {
	name     string
	programs []string // the kernel programs whose time counts, the first one fires for each transition
	start    func(b *testing.B) (stop func() string)
}

// result is what one round of one tool measured.
type result struct {
	rate1, rate2 float64 // connections per second, with one and with two generator threads
	nsPerEvent   float64 // of all its programs
	nsOfState    float64 // of the first one
	notes        string
}

// BenchmarkPeers compares the tools in one run, and prints what is aimed at beside
// what was measured: read the ratios, not the figures. The tools take turns, so that
// a busy neighbour hits all of them.
func BenchmarkPeers(b *testing.B) {
	kerneltest.RequireRoot(b)
	for b.Loop() {
		whole.measure(b).print()
	}
}

// BenchmarkShort is a short form, which fails on what is far from the goals: half a
// minute on a shared machine says no more. The peers are left out.
func BenchmarkShort(b *testing.B) {
	kerneltest.RequireRoot(b)
	for b.Loop() {
		g := short.measure(b)
		g.print()
		g.failFarOff()
	}
}

func (s *scale) measure(b *testing.B) *goals {
	g := &goals{b: b}
	// Those that want a quiet host come first, and each ends its namespaces: a
	// minute of TIME_WAIT follows on connections.
	for _, part := range []struct {
		name    string
		measure func(*testing.B)
	}{
		{"quiet", func(b *testing.B) { s.quietHost(b, g) }},
		{"live", func(b *testing.B) { s.screens(b, g) }},
		{"tables", func(*testing.B) { tables(g, s.many) }},
		{"storms", func(b *testing.B) { storms(b, g, s.storm) }},
		{"tools", func(b *testing.B) { s.compare(b, g) }},
		{"inventories", func(b *testing.B) { s.inventories(b, g) }},
	} {
		b.Run(part.name, part.measure)
	}
	return g
}

// compare has the tools take turns under connections.
func (s *scale) compare(b *testing.B, g *goals) {
	stats, err := ebpf.EnableStats(0 /* BPF_STATS_RUN_TIME */)
	if err != nil {
		b.Fatalf("enable program statistics: %v", err)
	}
	defer stats.Close()
	tools := available(b)
	if s.some {
		tools = slices.DeleteFunc(tools, func(tl tool) bool { return !slices.Contains([]string{bare, floor, ours, kept}, tl.name) })
	}
	results := make(map[string][]result)
	for range s.rounds {
		for _, tl := range tools {
			results[tl.name] = append(results[tl.name], s.round(b, tl))
		}
	}
	s.report(b, tools, results)
	g.compare(results)
}

// compare adds what the tools' turns say.
func (g *goals) compare(results map[string][]result) {
	kernel := func(tool string) float64 {
		if len(results[tool]) == 0 {
			return 0
		}
		return median(column(results[tool], func(r result) float64 { return r.nsOfState }))
	}
	part := func(tool string, of func(result) float64) (float64, string) {
		all := ratios(results[tool], results[bare], of)
		return median(all), spread(all, "%.2f")
	}
	if peer := kernel("tcpstates"); peer > 0 {
		g.least("times less kernel time per transition than tcpstates", "%.0f", peer/kernel(ours), 35, fmt.Sprintf("%.0f ns, %.0f", peer, kernel(ours)))
	}
	g.most("kernel time per transition, of reserving and submitting", "%.2f", kernel(ours)/kernel(floor), 1.8,
		fmt.Sprintf("%.0f ns, %.0f; an empty program %.0f; a full record at least %.0f; the second copy is counted apart",
			kernel(ours), kernel(floor), kernel("empty program"), kernel("full record")))
	one, two := func(r result) float64 { return r.rate1 }, func(r result) float64 { return r.rate2 }
	got, note := part(ours, one)
	g.least("connections per second, of no tool, one thread", "%.2f", got, 0.90, note)
	got, note = part(ours, two)
	g.least("the same, both processors busy", "%.2f", got, 0.80, note)
	got, note = part(kept, one)
	g.least("the same, one thread, histories kept in the kernel", "%.2f", got, 0.95, note)
	if timers, without := results[ours], results[byLooks]; len(without) > 0 {
		all := ratios(timers, without, one)
		g.least("with timers for TIME_WAIT, of without", "%.2f", median(all), 0.96, spread(all, "%.2f"))
	}
}

// Tools that the goals name.
const (
	bare    = "no tool"
	floor   = "reserve+submit"
	ours    = "tcpwatch"
	byLooks = "tcpwatch --time-wait looks"
	kept    = "tcpwatch history --summary"
)

func available(b *testing.B) []tool {
	binary := kerneltest.BuildTcpwatch(b)
	tools := []tool{
		{bare, nil, func(*testing.B) func() string { return func() string { return "" } }},
		{"empty program", []string{"floor_empty"}, func(b *testing.B) func() string { empty(b); return quiet }},
		{floor, []string{"floor_submit"}, func(b *testing.B) func() string { reserveAndSubmit(b); return quiet }},
		{"full record", []string{"floor_record"}, func(b *testing.B) func() string { fullRecord(b); return quiet }},
		{ours, []string{"state", "state_rescue"}, func(b *testing.B) func() string {
			// Everything is tracked and judged; the filter keeps the output empty.
			return command(b, "state", binary, "trace", "-v", "--state", "BOUND_INACTIVE")
		}},
		{byLooks, []string{"state", "state_rescue"}, func(b *testing.B) func() string {
			return command(b, "state", binary, "trace", "-v", "--state", "BOUND_INACTIVE", "--time-wait", "looks")
		}},
		{kept, []string{"state", "state_rescue"}, func(b *testing.B) func() string {
			return command(b, "state", binary, "history", "-v", "--summary", "-o", "jsonl")
		}},
		{"tcpwatch -o jsonl", []string{"state", "state_rescue"}, func(b *testing.B) func() string {
			return command(b, "state", binary, "trace", "-v", "-o", "jsonl")
		}},
	}
	for _, peer := range []struct {
		name, program, from string
		args                []string
	}{
		{"tcpstates", "handle_set_state", "libbpf-tools", nil},
		{"bpftrace", "inet_sock_set_s", "bpftrace", []string{"-e", oneLiner}},
	} {
		path, err := exec.LookPath(peer.name)
		if err != nil {
			b.Logf("%s is not measured: install Debian's package %s", peer.name, peer.from)
			continue
		}
		tools = append(tools, tool{peer.name, []string{peer.program}, func(b *testing.B) func() string {
			return command(b, peer.program, path, peer.args...)
		}})
	}
	return tools
}

// oneLiner is what one would type to see what tcpstates shows.
const oneLiner = `tracepoint:sock:inet_sock_set_state /args->protocol == 6/ {
	printf("%d %s %s:%d %s:%d %d %d\n", pid, comm, ntop(args->saddr), args->sport, ntop(args->daddr), args->dport, args->oldstate, args->newstate);
}`

func quiet() string { return "" }

// round runs both generators under one tool.
func (s *scale) round(b *testing.B, tl tool) (r result) {
	b.Run("round", func(b *testing.B) { // its cleanups end the tool
		for _, name := range tl.programs { // of the round before
			kerneltest.Eventually(b, 20*time.Second, func() bool { return !loaded(name) }, "the last "+name+" is gone")
		}
		stop := tl.start(b)
		awaitRuns(b, tl.programs)
		time0, runs0 := mustCost(b, tl.programs)
		first0, _ := mustCost(b, tl.programs[:min(1, len(tl.programs))])
		one := kerneltest.Churn(b, kerneltest.ChurnOptions{Connections: s.perRound, Clients: 1})
		two := kerneltest.Churn(b, kerneltest.ChurnOptions{Connections: s.perRound, Clients: 2})
		time1, runs1 := mustCost(b, tl.programs)
		r.rate1, r.rate2 = one.Rate(), two.Rate()
		if runs1 > runs0 {
			first1, _ := mustCost(b, tl.programs[:1])
			r.nsPerEvent = float64(time1-time0) / float64(runs1-runs0)
			r.nsOfState = float64(first1-first0) / float64(runs1-runs0)
		}
		r.notes = stop()
	})
	return r
}

// awaitRuns waits until the programs run, and not only are there.
func awaitRuns(b *testing.B, programs []string) {
	b.Helper()
	if len(programs) == 0 {
		return
	}
	f, err := newFlapper()
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(f.fd)
	kerneltest.AwaitNoError(b, 20*time.Second, func() error {
		if err := f.flap(); err != nil {
			return err
		}
		for _, name := range programs {
			if _, runs := mustCost(b, []string{name}); runs == 0 {
				return fmt.Errorf("%s has not run", name)
			}
		}
		return nil
	}, "its programs run")
}

func mustCost(b *testing.B, programs []string) (time.Duration, uint64) {
	d, n, err := cost(programs...)
	if err != nil {
		b.Fatal(err)
	}
	return d, n
}

// command starts a tool and waits until a program of its is loaded.
func command(b *testing.B, program, path string, args ...string) func() string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	sink, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdout = sink
	if err := cmd.Start(); err != nil {
		b.Fatalf("start %s: %v", path, err)
	}
	kerneltest.Eventually(b, 20*time.Second, func() bool { return loaded(program) }, "its program is loaded")
	return func() string {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		cancel()
		_ = sink.Close()
		usage := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		return fmt.Sprintf("cpu %v; %s", usage.Round(time.Millisecond), summary(stderr.String()))
	}
}

func loaded(name string) bool {
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			return false
		}
		id = next
		prog, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		info, err := prog.Info()
		_ = prog.Close()
		if err == nil && info.Name == name {
			return true
		}
	}
}

var firedLine = regexp.MustCompile(`inet_sock_set_state\s+fired (\d+) = seen \d+ \+ nested (\d+); filtered \d+, ring full (\d+), rescued (\d+)`)

// summary picks losses out of what the tool said at the end.
func summary(stderr string) string {
	if m := firedLine.FindStringSubmatch(stderr); m != nil {
		return fmt.Sprintf("fired %s, nested %s, ring full %s, rescued %s", m[1], m[2], m[3], m[4])
	}
	if n := strings.Count(stderr, "lost"); n > 0 {
		return "says lost " + strconv.Itoa(n) + " times"
	}
	return ""
}

// report prints medians, and how far the rounds were apart.
func (s *scale) report(b *testing.B, tools []tool, results map[string][]result) {
	base := results[bare]
	w := table.NewWriter()
	w.AppendHeader(table.Row{"tool", "kernel ns/event", "conn/s 1 thread", "of no tool", "conn/s 2 threads", "of no tool", "last round"})
	for _, tl := range tools {
		rs := results[tl.name]
		ns := column(rs, func(r result) float64 { return r.nsPerEvent })
		one, two := column(rs, func(r result) float64 { return r.rate1 }), column(rs, func(r result) float64 { return r.rate2 })
		ratio1 := ratios(rs, base, func(r result) float64 { return r.rate1 })
		ratio2 := ratios(rs, base, func(r result) float64 { return r.rate2 })
		w.AppendRow(table.Row{
			tl.name, spread(ns, "%.0f"), spread(one, "%.0f"), spread(ratio1, "%.2f"),
			spread(two, "%.0f"), spread(ratio2, "%.2f"), rs[len(rs)-1].notes,
		})
		b.ReportMetric(median(ns), strings.ReplaceAll(tl.name, " ", "-")+"-ns/event")
		b.ReportMetric(median(ratio1), strings.ReplaceAll(tl.name, " ", "-")+"-of-no-tool")
	}
	fmt.Fprintf(os.Stderr, "\n%d rounds of %d connections each way; median (lowest to highest)\n%s\n\n", s.rounds, s.perRound, w.Render())
}

func column(rs []result, of func(result) float64) []float64 {
	all := make([]float64, len(rs))
	for i, r := range rs {
		all[i] = of(r)
	}
	return all
}

// ratios compares each round with the same round of base.
func ratios(rs, base []result, of func(result) float64) []float64 {
	all := make([]float64, len(rs))
	for i := range rs {
		all[i] = of(rs[i]) / of(base[i])
	}
	return all
}

func median(all []float64) float64 { return quantile(all, 0.5) }

// quantile returns the value that a part of all is below.
func quantile(all []float64, part float64) float64 {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, cmp.Compare)
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

func spread(all []float64, format string) string {
	if median(all) == 0 {
		return "-"
	}
	return fmt.Sprintf(format+" ("+format+" to "+format+")", median(all), slices.Min(all), slices.Max(all))
}
