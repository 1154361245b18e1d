package soak

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// connectionsVariable says how many connections to make; make soak-real makes a
// million.
const (
	connectionsVariable = "TCPWATCH_SOAK_REAL"
	fewConnections      = 2000
)

// programs are those that listen, by their ports.
var programs = map[uint16]string{
	nginxPort: "nginx", backendPort: "nginx behind HAProxy", haproxyPort: "HAProxy", deadPort: "HAProxy, dead server",
	redisPort: "redis", postgresPort: "PostgreSQL", nethttpPort: "net/http", abortPort: "the test", closedPort: "nobody",
}

// loads share the connections, in percent.
var loads = []struct {
	name  string
	share int
	make  func(r *room, n int)
}{
	{"ab to nginx", 24, abNginx},
	{"ab to nginx over IPv6", 8, abNginx6},
	{"ab -k to nginx", 1, abKeepAlive},
	{"wrk to nginx", 12, wrkNginx},
	{"ab to HAProxy to nginx", 20, abHAProxy},
	{"redis-benchmark", 20, redisBenchmark},
	{"redis-benchmark, pipelined", 0, redisPipelined},
	{"net/http", 6, fetchTCP},
	{"net/http over MPTCP", 2, fetchMPTCP},
	{"pgbench -C", 2, pgbench},
	{"curl", 5, curl},
}

// Of connections of real software none is called impossible or unjudged, and what
// is called abnormal is what the kernel counted.
func TestRealSoftware(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	needPrograms(t)
	connections := wantedConnections(t)
	r := newRoom(t)
	hidden := startWitness(t)
	w := startWatch(t, r.ns, programs)
	hidden.from = w.from
	before := countersOf(t, r.ns)

	servers := startServers(r)
	for _, l := range loads {
		begun, opened := time.Now(), r.opened()
		l.make(r, max(connections*l.share/100, 20))
		made, took := r.opened()-opened, time.Since(begun)
		t.Logf("%-28s %8d connections in %6.1fs, %6.0f/s", l.name, made, took.Seconds(), float64(made)/took.Seconds())
	}
	for range 1 + connections/200_000 {
		makeTrouble(r)
	}
	for _, p := range slices.Backward(servers) {
		p.end()
	}
	awaitEnds(r, w, before)

	a := &account{ledger: w.end(t)}
	a.testimony = hidden.testify(t)
	a.kernel = countersOf(t, r.ns).since(before)
	a.kernel[miniResets], a.kernel[retransmits] = a.ofMinis, a.testimony.again
	t.Log(a.report())
	t.Logf("%s%d hidden, and %d timers", w.stderr.String(), len(a.hidden), a.timers)
	check(t, a)
}

func needPrograms(t *testing.T) {
	t.Helper()
	for _, need := range [][2]string{
		{"nginx", "nginx-light"}, {"ab", "apache2-utils"}, {"wrk", "wrk"}, {"haproxy", "haproxy"}, {"redis-server", "redis-server"},
		{"redis-benchmark", "redis-tools"}, {"curl", "curl"}, {"ss", "iproute2"}, {"nft", "nftables"},
	} {
		kerneltest.NeedPackage(t, need[0], need[1])
	}
	needPostgres(t)
}

func wantedConnections(t *testing.T) int {
	t.Helper()
	text := os.Getenv(connectionsVariable)
	if text == "" {
		return fewConnections
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("parse %s: %q is no number of connections", connectionsVariable, text)
	}
	return n
}

func startServers(r *room) []*program {
	return []*program{startNginx(r), startHAProxy(r), startRedis(r), startPostgres(r), startNetHTTP(r)}
}

func makeTrouble(r *room) {
	r.t.Helper()
	for _, trouble := range troubles {
		r.t.Log(trouble.name)
		trouble.make(r)
	}
	abort(r)
	unanswered(r)
	overflow(r)
}

// awaitEnds waits until tcpwatch has told the end of every connection, as far as
// it will: what is missing then, the formulas show.
func awaitEnds(r *room, w *watch, before counters) {
	r.t.Helper()
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		c := countersOf(r.t, r.ns).since(before)
		if w.opened("SYN_SENT") >= c["ActiveOpens"] && w.opened("SYN_RECV") >= c["PassiveOpens"] {
			time.Sleep(moment) // more than there should be
			return
		}
		time.Sleep(moment)
	}
}

// check fails the test on a false alarm.
func check(t *testing.T, a *account) {
	t.Helper()
	explained := 0
	for i := range a.doubtful {
		l := &a.doubtful[i]
		if a.explains(l) || l.Verdict == "unjudged" && a.losses() > 0 {
			explained++
		} else {
			t.Errorf("%s: %+v", l.Verdict, *l)
		}
	}
	if explained+a.slack() > 0 {
		t.Logf("%d impossible or unjudged, explained by what was hidden, or lost: %v", explained, a.lost)
	}
	for _, what := range a.wrong() {
		t.Error(what)
	}
	mustCatch(t, a)
}

// mustCatch proves that the formulas are not empty: an end in order that is called
// abnormal, in any of the ways that were met here, is one too many.
func mustCatch(t *testing.T, a *account) {
	t.Helper()
	kinds := a.abnormal()
	if len(kinds) < 15 {
		t.Errorf("only %d kinds of abnormal ends were met", len(kinds))
	}
	for _, k := range kinds {
		if len(a.wrongWith(k)) == 0 && a.slack() == 0 {
			t.Errorf("nothing shows that an end in order is not %+v", k)
		}
	}
}

// The document has the formulas as they are.
func TestDocumentHasTheFormulas(t *testing.T) {
	text, err := os.ReadFile("../../docs/model.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formulas {
		if row := fmt.Sprintf("| %s | %s |\n", f.counters, f.is); !strings.Contains(string(text), row) {
			t.Errorf("docs/model.md has no row %q", row)
		}
	}
}

// report is the tables.
func (a *account) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-22s %-10s %-24s %-10s %10s\n", "PROGRAM", "ROLE", "CLOSE REASON", "VERDICT", "LIVES")
	type row struct{ program, role, reason, verdict string }
	rows := map[row]int{}
	total := 0
	for k, n := range a.lives {
		rows[row{k.program, k.role, k.reason, k.verdict}] += n
		total += n
	}
	sorted := make([]row, 0, len(rows))
	for r := range rows {
		sorted = append(sorted, r)
	}
	slices.SortFunc(sorted, func(x, y row) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
	for _, r := range sorted {
		fmt.Fprintf(&b, "%-22s %-10s %-24s %-10s %10d\n", r.program, r.role, r.reason, r.verdict, rows[r])
	}
	fmt.Fprintf(&b, "%-22s %-10s %-24s %-10s %10d\n\n", "all", "", "", "", total)
	fmt.Fprintf(&b, "%-52s %18s %10s %6s\n", "COUNTERS", "BY THE LIVES", "KERNEL", "OFF")
	for _, c := range a.counted() {
		fmt.Fprintf(&b, "%-52s %18s %10d %6d\n", c.counters, c.bounds(), c.kernel, c.off())
	}
	fmt.Fprintf(&b, "%-52s %18d %10d %6d\n", "ended by an RST that nobody sent", 0, len(a.unexplained(a.homeless)), len(a.unexplained(a.homeless)))
	return b.String()
}
