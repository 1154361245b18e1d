package alert

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/model"
)

const second = uint64(time.Second)

func comm(s string) (c [16]byte) {
	copy(c[:], s)
	return c
}

func step(at uint64, from, to model.State, who string) *track.Observation {
	return &track.Observation{
		Event: events.Event{Kind: events.Transition, Time: at, Family: events.IPv4, From: from, To: to, Lport: 80, Rport: 5000, Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{10, 0, 0, 2}},
		Owner: events.Owner{PID: 80, Comm: comm(who), FD: 4, Provenance: events.ProvenanceExact}, InState: 3e9,
		Judgement: model.Judgement{Verdict: model.Normal},
	}
}

func reset(at uint64, who string) *track.Observation {
	o := step(at, 0, model.Established, who)
	o.Event.Kind = events.ResetReceived
	return o
}

func lost(at, n uint64) *track.Observation {
	return &track.Observation{Event: events.Event{Kind: events.Lost, Time: at, LostCount: n, Where: events.WhereRing}}
}

// samples has one observation of each kind.
func samples() (all []*track.Observation) {
	for kind := range events.Kind(numKinds + 1) {
		o := step(1, model.Established, model.CloseWait, "x")
		o.Event.Kind = kind
		all = append(all, o)
	}
	return append(all, step(2, 77, 250, "\x1b"))
}

func engine(t testing.TB, options Options, keys ...string) *Engine {
	t.Helper()
	rules, err := Parse("f", []byte(ruleFile(append([]string{"alert: A"}, keys...)...)))
	if err != nil {
		t.Fatal(err)
	}
	return New(rules, options)
}

// changes ticks at each second up to the last one, and tells what changed when. act
// does what happens in a second.
func changes(e *Engine, last uint64, act func(at uint64)) string {
	var all []string
	for s := uint64(1); s <= last; s++ {
		if act != nil {
			act(s * second)
		}
		for _, a := range e.Tick(s * second) {
			all = append(all, fmt.Sprintf("%ds %s", s, a.Status))
		}
	}
	return strings.Join(all, ", ")
}

func TestPhases(t *testing.T) {
	between := func(from, to uint64) func(uint64) bool {
		return func(s uint64) bool { return s >= from && s <= to }
	}
	cases := []struct {
		name string
		keys []string
		when func(s uint64) bool // there is a reset in that second
		want string
	}{
		{"at once", nil, between(10, 10), "10s firing, 30s resolved"},
		{"for", []string{"for: 5s"}, between(10, 20), "15s firing, 40s resolved"},
		{"for, not long enough", []string{"for: 30s"}, between(10, 10), ""},
		{"keep_firing_for", []string{"keep_firing_for: 7s"}, between(10, 10), "10s firing, 37s resolved"},
		{"keep_firing_for begins anew", []string{"keep_firing_for: 30s"}, func(s uint64) bool { return s == 10 || s == 50 }, "10s firing, 100s resolved"},
		{"threshold", []string{"expr: count > 4"}, between(10, 20), "14s firing, 36s resolved"},
		{"clear", []string{"expr: count > 4", `clear: "< 2"`}, between(10, 20), "14s firing, 39s resolved"},
		{"rate", []string{"expr: rate >= 0.5"}, between(10, 30), "19s firing, 41s resolved"},
		{"where says no", []string{`where: direction == "sent"`}, between(10, 20), ""},
		{"where says yes", []string{`where: owner.comm == "x" and direction == "received"`}, between(10, 10), "10s firing, 30s resolved"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := engine(t, Options{}, append([]string{"on: reset", "window: 20s"}, c.keys...)...)
			have := changes(e, 200, func(at uint64) {
				if c.when(at / second) {
					e.Observe(reset(at, "x"))
				}
			})
			if have != c.want {
				t.Errorf("%s, want %s", have, c.want)
			}
			if s := e.Stats(); s.Firing != 0 || s.Pending != 0 || len(e.rules[0].order) != 0 || len(e.rules[0].groups) != 0 {
				t.Errorf("something is left: %+v", s)
			}
		})
	}
}

func TestAlertIsToldAgain(t *testing.T) {
	e := engine(t, Options{Resend: 6 * time.Second}, "on: reset", "window: 20s")
	have := changes(e, 60, func(at uint64) {
		if at == 10*second {
			e.Observe(reset(at, "x"))
		}
	})
	if want := "10s firing, 16s firing, 22s firing, 28s firing, 30s resolved"; have != want {
		t.Errorf("%s, want %s", have, want)
	}
}

// A limit holds alerts back; they are told when there is room, if they still fire.
func TestLimit(t *testing.T) {
	e := engine(t, Options{}, "on: reset", "window: 20s", "by: [comm]", "limit: {per: 8s, burst: 2}")
	have := changes(e, 60, func(at uint64) {
		if at == 10*second {
			for _, who := range []string{"a", "b", "c", "d", "e", "f", "g"} {
				e.Observe(reset(at, who))
			}
		}
	})
	want := "10s firing, 10s firing, 18s firing, 18s firing, 26s firing, 26s firing" + strings.Repeat(", 30s resolved", 6)
	if have != want {
		t.Errorf("%s, want %s", have, want)
	}
	if n := e.Stats().Suppressed; n != 5 {
		t.Errorf("%d were held back, want 5", n)
	}
}

func TestWindowWithLossSaysSo(t *testing.T) {
	cases := []struct {
		name string
		at   []uint64 // seconds of losses of 3
		want uint64
	}{
		{"none", nil, 0},
		{"long before", []uint64{10}, 0},
		{"in the window before", []uint64{90}, 3},
		{"while it fires", []uint64{90, 101, 102}, 9},
		{"after", []uint64{150}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := engine(t, Options{}, "on: reset", "window: 20s")
			var last Alert
			for s := uint64(1); s < 200; s++ {
				for _, at := range c.at {
					if at == s {
						e.Observe(lost(s*second, 3))
					}
				}
				if s == 100 {
					e.Observe(reset(s*second, "x"))
				}
				for _, a := range e.Tick(s * second) {
					last = a
				}
			}
			if last.Status != Resolved || last.Lost != c.want || (last.Annotations["completeness"] != "") != (c.want > 0) {
				t.Errorf("%+v, want %d lost", last, c.want)
			}
		})
	}
}

func TestEvidence(t *testing.T) {
	booted := time.Unix(1000, 0).UTC()
	e := engine(t, Options{Booted: booted}, "on: transition", `where: to == "CLOSE_WAIT"`, "by: [port, comm]",
		"annotations: {summary: '{{ $value }} of {{ $labels.comm }}'}", "labels: {severity: info}")
	for i := range uint64(30) {
		o := step(second+i, model.Established, model.CloseWait, "nginx")
		o.Role = model.RolePassive
		o.Owner.PID = uint32(80 + i%3)
		e.Observe(o)
		e.Observe(step(second+i, model.Established, model.FinWait1, "curl"))
	}
	all := e.Tick(2 * second)
	if len(all) != 1 {
		t.Fatalf("%d alerts, want 1", len(all))
	}
	a := all[0]
	if a.Value != 30 || a.Labels["port"] != "80" || a.Labels["comm"] != "nginx" || a.Labels["severity"] != "info" || a.Annotations["summary"] != "30 of nginx" ||
		!a.StartsAt.Equal(booted.Add(2*time.Second)) || !a.EndsAt.IsZero() {
		t.Errorf("%+v", a)
	}
	want := Holder{PID: 80, Comm: "nginx", FD: 4, Count: 10, Example: "10.0.0.1:80 > 10.0.0.2:5000", History: "ESTABLISHED 3.00s, CLOSE_WAIT"}
	if len(a.Top) != 3 || a.Top[0] != want {
		t.Errorf("%+v, want %+v first", a.Top, want)
	}
}

// More groups than there is room for are one.
func TestGroupsAreBounded(t *testing.T) {
	e := engine(t, Options{}, "on: reset", "by: [comm]", "expr: count > 50")
	for i := range maxGroups + 100 {
		e.Observe(reset(second, fmt.Sprint("p", i)))
	}
	all := e.Tick(second)
	if len(all) != 1 || all[0].Labels["comm"] != otherLabel || all[0].Value != 100 || len(all[0].Top) != MaxTop {
		t.Errorf("%+v", all)
	}
	if s := e.Stats(); s.Overflow != 100 {
		t.Errorf("%+v", s)
	}
	if e.Tick(500 * second); len(e.rules[0].order) != 0 || e.rules[0].other != nil {
		t.Error("groups are left of which there is nothing to say")
	}
}

// The guard never says no where the expression would say yes, and an event that it
// turns away costs no memory.
func TestGuard(t *testing.T) {
	cases := []struct {
		where string
		o     *track.Observation
		want  bool
	}{
		{`to == "CLOSE_WAIT"`, step(1, model.Established, model.CloseWait, "x"), true},
		{`"CLOSE_WAIT" == to`, step(1, model.Established, model.CloseWait, "x"), true},
		{`to == "CLOSE_WAIT"`, step(1, model.Established, model.FinWait1, "x"), false},
		{`from == "LISTEN" and to == "CLOSE_WAIT"`, step(1, model.Established, model.CloseWait, "x"), false},
		{`to in ["CLOSE_WAIT", "CLOSE"] && owner.comm == "y"`, step(1, model.Established, model.CloseWait, "x"), true},
		{`verdict in ["abnormal", "impossible"]`, step(1, model.Established, model.CloseWait, "x"), false},
		{`verdict == "impossible" or to == "CLOSE"`, step(1, model.Established, model.CloseWait, "x"), true}, // not so simple: all pass
		{`to != "CLOSE_WAIT"`, step(1, model.Established, model.CloseWait, "x"), true},
		{`to == "unknown(77)"`, step(1, model.Established, 77, "x"), true},
		{`to == "CLOSE"`, step(1, model.Established, 77, "x"), false},
		{`direction == "sent"`, reset(1, "x"), false},
		{`direction == "received"`, reset(1, "x"), true},
	}
	for _, c := range cases {
		g, err := guardOf(c.where)
		if err != nil {
			t.Fatal(err)
		}
		if g.passes(c.o) != c.want {
			t.Errorf("%s: %v", c.where, !c.want)
		}
	}
}

func TestEventsOfNoRuleCostNothing(t *testing.T) {
	e := New(Builtin(), Options{})
	for _, o := range []*track.Observation{
		step(1, model.Established, model.FinWait1, "x"), step(1, model.FinWait2, model.Close, "x"), step(1, model.SynSent, model.Established, "x"),
	} {
		if n := testing.AllocsPerRun(100, func() { e.Observe(o) }); n != 0 {
			t.Errorf("%v allocations for %s > %s", n, o.Event.From, o.Event.To)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	for _, c := range []struct {
		name string
		o    *track.Observation
	}{
		{"untouched", step(1, model.Established, model.FinWait1, "x")},
		{"touched", reset(1, "x")},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := New(Builtin(), Options{})
			b.ReportAllocs()
			for b.Loop() {
				e.Observe(c.o)
			}
		})
	}
}

func closeWait(time uint64, count, newer int) *waits.Report {
	r := &waits.Report{Time: time, Sockets: 1000}
	if count > 0 {
		r.Sections[waits.CloseWait] = waits.Part{Section: waits.CloseWait, Count: count, Groups: []waits.Group{
			{Section: waits.CloseWait, Key: waits.Key{Netns: 7, PID: 80, Comm: comm("leaky")}, Count: count, Ages: count, Newer: newer, Oldest: 90e9,
				Example: waits.Example{Family: events.IPv4, FD: 6, Age: 90e9, AtLeast: true}},
			{Section: waits.CloseWait, Key: waits.Key{Netns: 7, PID: 81, Comm: comm("leaky")}, Count: 1, Ages: 1, Oldest: 10e9, Example: waits.Example{FD: -1, Age: -1}},
		}}
	}
	return r
}

func TestGroupsOfInventories(t *testing.T) {
	e := engine(t, Options{}, "on: sockets", `where: section == "close_wait"`, "by: [comm]",
		`expr: slope > 30 and share > 0.01 and oldest > duration("1m")`)
	var told []Alert
	for s := uint64(0); s <= 120; s += 10 {
		e.Inventory(closeWait(s*second, int(s), 0)) // one more a second
		told = append(told, e.Tick(s*second)...)
	}
	if len(told) != 1 || told[0].Labels["comm"] != "leaky" || told[0].Top[0].History != "CLOSE_WAIT 1m30s or longer" || told[0].Top[0].FD != 6 {
		t.Errorf("%+v", told)
	}
	if told[0].Value < 59 || told[0].Value > 73 { // the value is what expr names first
		t.Errorf("a slope of %v a minute, want 60", told[0].Value)
	}
	e.Inventory(closeWait(130*second, 0, 0))
	if told = e.Tick(130 * second); len(told) != 1 || told[0].Status != Resolved {
		t.Errorf("what is gone is not resolved: %+v", told)
	}
}

// Whoever reads the ring, makes inventories and asks may be three (go test -race).
func TestFromSeveralGoroutines(t *testing.T) {
	e := New(Builtin(), Options{Resend: time.Second})
	var all sync.WaitGroup
	for _, act := range []func(uint64){
		func(at uint64) { e.Observe(reset(at, "x")) },
		func(at uint64) { e.Observe(lost(at, 1)) },
		func(at uint64) { e.Inventory(closeWait(at, 200, 0)) },
		func(at uint64) { e.Tick(at) },
		func(uint64) { e.Active(); e.Stats() },
	} {
		all.Go(func() {
			for s := range uint64(300) {
				act(s * second)
			}
		})
	}
	all.Wait()
	if n := e.Stats().Firing; n == 0 {
		t.Error("nothing fires")
	}
}

// Rules that are made to be slow are not.
func TestAdversarialRules(t *testing.T) {
	slow := strings.Repeat("1 + ", maxNodes) + "1 > 0"
	for _, where := range []string{
		"len(1..1000000000) > 0", "len(sort(1..900000)) > 0", `(owner.comm + repeat("a", 100000000)) matches "(a*)*b"`, `repeat(repeat("a", 100000), 100000) == ""`,
		`let a = laddr + laddr; let b = a + a; b == ""`, `toBase64(toBase64(laddr)) == ""`, `replace(replace(laddr, "", "aaaa"), "a", "bbbb") == ""`, `all(1..9, true)`,
		strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000), slow, `laddr matches "` + strings.Repeat("(a?){50}", 100) + `"`,
	} {
		began := time.Now()
		rules, err := Parse("f", []byte(ruleFile("alert: A", "on: reset", "where: '"+where+"'")))
		if err == nil {
			New(rules, Options{}).Observe(reset(1, "x"))
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("%.40s…: %v", where, d)
		}
	}
}
