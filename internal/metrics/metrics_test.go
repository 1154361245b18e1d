package metrics

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	promodel "github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// filled are Metrics that have something of each family to tell.
func filled(o Options) *Metrics {
	o.Version, o.Revision, o.GoVersion, o.Now = "1", "2", "go3", func() uint64 { return 5e9 }
	if o.Programs == nil {
		o.Programs = func() []Program { return []Program{{"inet_sock_set_state", 10, 3}, {"tcp_destroy_sock", 5, 0}} }
	}
	if o.Sinks == nil {
		o.Sinks = func() []Notified { return []Notified{{Sink: "slack", Sent: 3, Failed: 1}} }
	}
	if o.Alerts == nil {
		o.Alerts = func() []Alerts { return []Alerts{{"CloseWaitLeak", "firing", 2}} }
	}
	m := New(o)
	for _, obs := range observations() {
		m.Observe(&obs)
	}
	for range lagEvery {
		m.Observe(&track.Observation{Event: events.Event{Kind: events.Inventory, Time: 4e9}})
	}
	return m
}

func observations() []track.Observation {
	ok := model.Judgement{Verdict: model.Normal, Rule: mustRule("handshake-completed")}
	step := func(from, to model.State, ns int64) track.Observation {
		return track.Observation{Event: events.Event{Kind: events.Transition, From: from, To: to}, Judgement: ok, InState: ns, Role: model.RoleActive}
	}
	refused := &track.Socket{Born: 1e9, EndTime: 3e9, EndFrom: model.SynSent, End: track.End{Reason: model.ReasonRefused}}
	return []track.Observation{
		step(model.Close, model.SynSent, -1),
		step(model.SynSent, model.Established, 2e6),
		step(model.Established, 200, 1e9), // a state of the future
		{Event: events.Event{Kind: events.Closed}, Socket: refused, Role: model.RoleActive, Judgement: model.Judgement{Verdict: model.Abnormal, Rule: model.RuleEndUnknown}},
		{Event: events.Event{Kind: events.Mini, From: model.TimeWait}, MiniEnded: true, InState: 60e9, Judgement: model.TWExpired.Judge()},
		{Event: events.Event{Kind: events.Retransmit}, Segment: track.SegmentSYN},
		{Event: events.Event{Kind: events.ResetReceived}},
	}
}

func mustRule(name string) model.Rule {
	r, ok := model.ParseRule(name)
	if !ok {
		panic(name)
	}
	return r
}

// rows is a Table.
type rows []track.Row

func (rows) Time() uint64  { return 10e9 }
func (rows) Capacity() int { return 1 << 20 }

func (rows) Stats() (s track.Stats) {
	s.Lost[events.WhereRing] = 4
	s.MiniEnds[model.TWExpired] = 1
	return s
}

func (r rows) Each(yield func(*track.Row)) {
	for i := range r {
		yield(&r[i])
	}
}

// look returns a Look that shows sockets of processes with some names, and as many
// that are gone.
func look(comms ...string) func(context.Context, func(Table)) error {
	return func(_ context.Context, take func(Table)) error {
		var all rows
		for i, comm := range comms {
			r := track.Row{ID: uint64(i + 1), State: model.CloseWait, Since: 4e9, Family: events.IPv4}
			copy(r.Owner.Comm[:], comm)
			all = append(all, r, track.Row{State: model.Close, EndTime: 1, Facts: track.Ended | track.Destroyed})
		}
		take(all)
		return nil
	}
}

func gather(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]*dto.MetricFamily{}
	for _, f := range all {
		named[f.GetName()] = f
	}
	return named
}

func TestExpositionLints(t *testing.T) {
	m := filled(Options{Look: look("nginx", "nginx", "redis"), Groups: 20})
	problems, err := testutil.GatherAndLint(m.Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if w := scrape(m); w.Code != 200 {
		t.Errorf("scrape: %d", w.Code)
	} else if _, err := parse(w.Body); err != nil {
		t.Error(err)
	}
}

func scrape(m *Metrics) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.Handler(nil).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w
}

func parse(b *bytes.Buffer) (map[string]*dto.MetricFamily, error) {
	p := expfmt.NewTextParser(promodel.UTF8Validation)
	return p.TextToMetricFamilies(b)
}

// The families, their types and their labels are public.
func TestFamilies(t *testing.T) {
	document, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	named := gather(t, filled(Options{Look: look("nginx"), Groups: 20}))
	for _, name := range sorted(named) {
		f := named[name]
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		if !bytes.Contains(document, []byte("`"+name+"`")) {
			t.Errorf("docs/agent.md does not tell of %s", name)
		}
		fmt.Fprintf(&b, "%s %s {%s}\n", name, strings.ToLower(f.GetType().String()), strings.Join(labels, ","))
	}
	if got := len(named); got != len(families) {
		t.Errorf("%d families are shown, and %d described", got, len(families))
	}
	const file = "testdata/families.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func sorted(m map[string]*dto.MetricFamily) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestValues(t *testing.T) {
	body := scrape(filled(Options{Look: look("nginx", "nginx")})).Body.String()
	for _, want := range []string{
		`tcpwatch_transitions_total{from="syn_sent",to="established"} 1`,
		`tcpwatch_transitions_total{from="established",to="unknown"} 1`,
		`tcpwatch_verdicts_total{rule="handshake-completed",verdict="normal"} 3`,
		`tcpwatch_connections_opened_total{role="active"} 1`,
		`tcpwatch_connections_closed_total{close_reason="refused"} 1`,
		`tcpwatch_handshake_duration_seconds_sum{outcome="refused",role="active"} 2`,
		`tcpwatch_handshake_duration_seconds_bucket{outcome="ok",role="active",le="0.01"} 1`,
		`tcpwatch_handshake_duration_seconds_bucket{outcome="ok",role="active",le="0.001"} 0`,
		`tcpwatch_state_duration_seconds_count{state="time_wait"} 1`,
		`tcpwatch_event_lag_seconds_sum 1`,
		`tcpwatch_sockets{family="ipv4",state="close_wait"} 2`,
		`tcpwatch_sockets{family="ipv4",state="close"} 0`,
		`tcpwatch_state_age_max_seconds{state="close_wait"} 6`,
		`tcpwatch_events_lost_total{where="ring"} 4`,
		`tcpwatch_events_filtered_total{where="kernel"} 3`,
		`tcpwatch_retransmits_total{kind="syn"} 1`,
		`tcpwatch_resets_total{direction="received"} 1`,
		`tcpwatch_notifications_total{outcome="failed",sink="slack"} 1`,
		`tcpwatch_table_entries{table="sockets"} 4`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, "nginx") {
		t.Error("a process is told of without being asked for")
	}
}

func TestHostileNamesStayWithinTheCap(t *testing.T) {
	comms := []string{"\xff\x1b[2J\u202e", "_other", "nginx", "nginx"}
	for i := range 20_000 {
		comms = append(comms, fmt.Sprintf("\xfe\"\n\\%d", i))
	}
	m := filled(Options{Look: look(comms...), Groups: 20})
	f := gather(t, m)["tcpwatch_group_sockets"]
	total := 0.0
	for _, metric := range f.Metric {
		total += metric.Gauge.GetValue()
	}
	if len(f.Metric) != 21 || total != float64(len(comms)) {
		t.Errorf("%d groups with %g sockets, want 21 with %d", len(f.Metric), total, len(comms))
	}
	w := scrape(m)
	body := w.Body.String()
	if w.Code != 200 || !strings.Contains(body, `tcpwatch_group_sockets{group="nginx",state="close_wait"} 2`) {
		t.Errorf("scrape: %d\n%s", w.Code, body)
	}
	if !utf8.ValidString(body) || strings.ContainsAny(body, "\x1b\u202e") {
		t.Error("a hostile name was told as it is")
	}
	if _, err := parse(w.Body); err != nil {
		t.Error(err)
	}
}

// A group that is shown stays while it has sockets, even if others have more.
func TestGroupsStay(t *testing.T) {
	comms := []string{"first"}
	m := New(Options{Groups: 1, Look: func(ctx context.Context, take func(Table)) error { return look(comms...)(ctx, take) }})
	for _, step := range []struct {
		comms []string
		want  string
	}{
		{[]string{"first"}, "first"},
		{[]string{"first", "second", "second"}, "first"},
		{[]string{"second", "second", "third"}, "second"},
	} {
		comms = step.comms
		if body := scrape(m).Body.String(); !strings.Contains(body, `group="`+step.want+`"`) {
			t.Errorf("%v: want %s in\n%s", step.comms, step.want, body)
		}
	}
}

func TestSeriesAreCapped(t *testing.T) {
	m := filled(Options{Look: look("nginx"), Groups: 20})
	for from := range m.counts.transitions {
		for to := range m.counts.transitions[from] {
			m.counts.transitions[from][to].Add(1)
		}
	}
	for rule := range m.counts.verdicts {
		for v := range m.counts.verdicts[rule] {
			m.counts.verdicts[rule][v].Add(1)
		}
		m.counts.inState[rule%model.NumStates].observe(1)
	}
	for role := range m.counts.handshakes {
		for how := range m.counts.handshakes[role] {
			m.counts.handshakes[role][how].observe(1)
		}
	}
	g := m.Gatherer()
	for range 2 {
		all, err := g.Gather()
		if err != nil {
			t.Fatal(err)
		}
		total, left := 0, 0.0
		for _, f := range all {
			if f.GetName() == "tcpwatch_series_dropped_total" {
				for _, metric := range f.Metric {
					left += metric.Counter.GetValue()
				}
				continue
			}
			for _, metric := range f.Metric {
				total += series(metric)
			}
			if f.GetName() == "tcpwatch_group_sockets" {
				t.Error("groups were told, and others were not")
			}
		}
		if total > DefaultMaxSeries || left == 0 {
			t.Errorf("%d series told, %g left out", total, left)
		}
	}
}

// Two programs with one name cannot both be told: the rest is.
func TestOneBadValueSpoilsNothing(t *testing.T) {
	m := filled(Options{
		Look:     look("nginx"),
		Programs: func() []Program { return []Program{{"twice", 1, 0}, {"twice", 2, 0}} },
		Sinks:    func() []Notified { return []Notified{{Sink: "\xff\xfe\x1b[2J", Sent: 1}} },
	})
	w := scrape(m)
	if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, "tcpwatch_sockets{") || !strings.Contains(body, `sink="\\xff\\xfe\\x1b[2J"`) {
		t.Errorf("scrape: %d\n%s", w.Code, body)
	}
}

func TestTableThatDoesNotAnswer(t *testing.T) {
	m := filled(Options{Look: func(context.Context, func(Table)) error { return errors.New("busy") }})
	body := scrape(m).Body.String()
	if !strings.Contains(body, "tcpwatch_table_read_success 0\n") || !strings.Contains(body, "tcpwatch_transitions_total{") {
		t.Errorf("got\n%s", body)
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	m := New(Options{Now: func() uint64 { return 1 }})
	all := observations()
	if n := testing.AllocsPerRun(100, func() {
		for i := range all {
			m.Observe(&all[i])
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := New(Options{Now: func() uint64 { return 1 }})
	all := observations()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Observe(&all[i%len(all)])
	}
}
