package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
)

// recording is one connection that is refused.
const recording = `{"event":"transition","time":"2026-11-18T11:06:41.000000000Z","mono_ns":1000000000,"socket":3,"netns":4026531840,"family":"ipv4","laddr":"10.0.0.1","lport":40000,"raddr":"10.0.0.2","rport":443,"role":"active","owner":{"pid":7,"comm":"curl","fd":5,"provenance":"exact"},"from":"CLOSE","to":"SYN_SENT","step":1,"verdict":"normal","rule":"active-open"}
{"event":"transition","time":"2026-11-18T11:06:43.000000000Z","mono_ns":3000000000,"socket":3,"netns":4026531840,"family":"ipv4","laddr":"10.0.0.1","lport":40000,"raddr":"10.0.0.2","rport":443,"role":"active","owner":{"pid":7,"comm":"curl","fd":5,"provenance":"exact"},"from":"SYN_SENT","to":"CLOSE","step":2,"in_state_ns":2000000000,"verdict":"abnormal","rule":"connect-ended","evidence":{"err":111,"owned":true}}
`

// notebook is a Writer that tests read while others write.
type notebook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notebook) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(b)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// await waits until there is something that a pattern matches, and returns its group.
func (n *notebook) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(n.String()); m != nil {
			return m[len(m)-1]
		}
	}
	t.Fatalf("no %s in:\n%s", pattern, n.String())
	return ""
}

// underTest is an agent that reads the recording.
type underTest struct {
	t      *testing.T
	config string
	stderr notebook
	hup    chan os.Signal
	end    context.CancelFunc
	ended  chan error
}

func startAgent(t *testing.T, config string, rules makeEvaluator) *underTest {
	t.Helper()
	dir := t.TempDir()
	u := &underTest{t: t, config: filepath.Join(dir, "agent.yaml"), hup: make(chan os.Signal, 1), ended: make(chan error, 1)}
	u.write(config)
	file := filepath.Join(dir, "recording.jsonl")
	if err := os.WriteFile(file, []byte(recording), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	u.end = cancel
	e := &env{
		stdin: strings.NewReader(""), stdout: io.Discard, stderr: &u.stderr,
		getenv: func(string) string { return "" }, now: time.Now,
		terminal: func(io.Writer) (int, bool) { return 0, false },
	}
	o := &agentOptions{globals: &globals{replay: file}, config: u.config}
	o.capture.ringSize, o.capture.maxSockets, o.capture.timeWait = 1<<20, 100, "timers"
	go func() { u.ended <- runAgent(ctx, e, o, u.hup, rules) }()
	return u
}

func (u *underTest) write(config string) {
	u.t.Helper()
	if err := os.WriteFile(u.config, []byte(config), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

func (u *underTest) reload(config string) {
	u.t.Helper()
	u.write(config)
	u.hup <- syscall.SIGHUP
}

func (u *underTest) stop() error {
	u.t.Helper()
	u.end()
	select {
	case err := <-u.ended:
		return err
	case <-time.After(30 * time.Second):
		u.t.Fatal("the agent does not end")
		return nil
	}
}

// get asks the agent's server under some name.
func (u *underTest) get(path, host string) (int, string) {
	u.t.Helper()
	addr := u.stderr.await(u.t, `listening on (\S+)\n`)
	return u.getURL("http://"+addr+path, host)
}

func (u *underTest) getURL(url, host string) (int, string) {
	u.t.Helper()
	req, err := http.NewRequestWithContext(u.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Host = host // empty is the URL's
	if p := req.URL.User; p != nil {
		password, _ := p.Password()
		req.SetBasicAuth(p.Username(), password)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAgentServesARecording(t *testing.T) {
	u := startAgent(t, "listen: 127.0.0.1:0\n", rulesOf)
	u.stderr.await(t, "the recording has ended")
	code, body := u.get("/metrics", "")
	for _, want := range []string{
		`tcpwatch_transitions_total{from="close",to="syn_sent"} 1`,
		`tcpwatch_connections_closed_total{close_reason="refused"} 1`,
		`tcpwatch_table_read_success 1`,
		`tcpwatch_table_capacity{table="sockets"} 100`,
	} {
		if code != 200 || !strings.Contains(body, want+"\n") {
			t.Errorf("%d, no %s in\n%s", code, want, body)
		}
	}
	if strings.Contains(body, "10.0.0.1") || strings.Contains(body, "curl") {
		t.Error("the metrics tell of an address, or of a process")
	}
	if code, body := u.get("/healthz", ""); code != 200 || body != "ok\n" {
		t.Errorf("health: %d %s", code, body)
	}
	if code, _ := u.get("/metrics", "attacker.example:9417"); code != 403 {
		t.Errorf("another name: %d, want 403", code)
	}
	if code, _ := u.get("/metrics", "localhost"); code != 200 {
		t.Errorf("localhost: %d", code)
	}
	if code, _ := u.get("/metrics?"+strings.Repeat("x", 2*maxHeader), ""); code != 431 {
		t.Errorf("a large request: %d, want 431", code)
	}
	if err := u.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(u.stderr.String(), "1 sockets closed: complete") {
		t.Errorf("no summary: %s", u.stderr.String())
	}
}

// A file that is wrong keeps the old one, and is told of with its place.
func TestAgentReload(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	const good = "listen: 127.0.0.1:0\nsinks:\n  - {type: json}\n"
	u := startAgent(t, good, rulesOf)
	told(t, manager, "READY=1")
	u.reload("listen: 127.0.0.1:0\nsinks:\n  - {type: pigeon}\n")
	u.stderr.await(t, `reload: \S+agent.yaml:3:12: check sink type "pigeon".* nothing has changed`)
	told(t, manager, "RELOADING=1\nMONOTONIC_USEC=")
	told(t, manager, "READY=1")
	if _, body := u.get("/metrics", ""); !strings.Contains(body, `sink="json"`) {
		t.Error("the sinks are gone")
	}
	u.reload("listen: off\nsinks:\n  - {type: json, name: other}\n")
	u.stderr.await(t, "change at the next start\nreload: done\n")
	told(t, manager, "RELOADING=1")
	told(t, manager, "READY=1")
	if _, body := u.get("/metrics", ""); !strings.Contains(body, `sink="other"`) || strings.Contains(body, `sink="json"`) {
		t.Error("the sinks are the old ones")
	}
	u.reload("rules: [some.yaml]\n")
	u.stderr.await(t, `reload: read rules:\n.*some.yaml.*nothing has changed`)
	told(t, manager, "RELOADING=1")
	told(t, manager, "READY=1")
	if err := u.stop(); err != nil {
		t.Error(err)
	}
	told(t, manager, "STOPPING=1")
}

// told waits for the next word to the service manager.
func told(t *testing.T, manager net.PacketConn, want string) {
	t.Helper()
	if err := manager.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 256)
	n, _, err := manager.ReadFrom(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), want) {
		t.Fatalf("told %q, %v, want %q", b[:n], err, want)
	}
}

// ends is an evaluator with an alert for each socket that ended, as of the next Tick.
type ends struct{ n int }

func (e *ends) Observe(o *track.Observation) {
	if o.Event.Kind == events.Closed {
		e.n++
	}
}

func (e *ends) Inventory(*waits.Report) {}

func (e *ends) Tick(now uint64) []alert.Alert {
	if e.n == 0 {
		return nil
	}
	n := e.n
	e.n = 0
	return []alert.Alert{{Rule: "Ended", Status: alert.Firing, Value: float64(n), StartsAt: time.Unix(0, int64(now))}}
}

func TestAgentTellsSinks(t *testing.T) {
	var posted notebook
	manager := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&posted, r.Body)
	}))
	defer manager.Close()
	dead := httptest.NewServer(nil)
	dead.Close()
	config := fmt.Sprintf("listen: 127.0.0.1:0\nsinks:\n- {type: alertmanager, url: %q}\n- {type: slack, url: %q}\n- {type: json}\n", manager.URL, dead.URL)
	u := startAgent(t, config, func([]string, alert.Options) (evaluator, error) { return &ends{}, nil })
	u.stderr.await(t, "the recording has ended")
	if err := u.stop(); err != nil { // the last Tick, and the sinks have their time
		t.Error(err)
	}
	var alerts []struct{ Labels map[string]string }
	if err := json.Unmarshal([]byte(posted.String()), &alerts); err != nil || len(alerts) != 1 || alerts[0].Labels["alertname"] != "Ended" {
		t.Errorf("posted %s: %v", posted.String(), err)
	}
	u.stderr.await(t, `"event":"alert".*"rule":"Ended"`)
	u.stderr.await(t, `sink slack: post alerts: .*refused`)
}

// The password is hush.
func TestAgentAsksForAPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yaml")
	const users = "basic_auth_users:\n  prometheus: $2a$04$77EV8Ef0KLNFqE05mwdnxeWvSzZm52uISlICwzUWq7Itf1.VRXiyy\n"
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	u := startAgent(t, "listen: 127.0.0.1:0\nweb_config: "+file+"\n", rulesOf)
	if code, _ := u.get("/metrics", ""); code != 401 {
		t.Errorf("without a password: %d", code)
	}
	addr := u.stderr.await(t, `listening on (\S+)\n`)
	if code, _ := u.getURL("http://prometheus:hush@"+addr+"/metrics", ""); code != 200 {
		t.Errorf("with a password: %d", code)
	}
	if err := u.stop(); err != nil {
		t.Error(err)
	}
}

// New rules do not know what fires: it is resolved, or it would be told again for ever.
// The same rules go on.
func TestAgentReloadResolves(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := "listen: 127.0.0.1:0\nevaluate_every: 1s\nsinks: [{type: text}]\nrules: [" + rules + "]\n"
	u := startAgent(t, config, func([]string, alert.Options) (evaluator, error) { return &eager{}, nil })
	u.stderr.await(t, "firing Eager")
	u.stderr.await(t, "the recording has ended")
	u.reload(config)
	u.stderr.await(t, "reload: done")
	if _, body := u.get("/metrics", ""); !strings.Contains(body, `tcpwatch_alerts{rule="Eager",status="firing"} 1`) {
		t.Error("the same rules have forgotten what fires")
	}
	if err := os.WriteFile(rules, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.reload(config)
	u.stderr.await(t, "resolved Eager")
	if _, body := u.get("/metrics", ""); strings.Contains(body, "tcpwatch_alerts{") {
		t.Error("what the old rules said still fires")
	}
	if err := u.stop(); err != nil {
		t.Error(err)
	}
}

// eager is an evaluator with one alert, from the first event on.
type eager struct{ observed, told bool }

func (e *eager) Observe(*track.Observation) { e.observed = true }

func (e *eager) Inventory(*waits.Report) {}

func (e *eager) Tick(now uint64) []alert.Alert {
	if !e.observed || e.told {
		return nil
	}
	e.told = true
	return []alert.Alert{{Rule: "Eager", Status: alert.Firing, StartsAt: time.Unix(0, int64(now))}}
}

func TestAgentNeedsAConfig(t *testing.T) {
	var stderr bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &stderr, getenv: func(string) string { return "" }, now: time.Now,
		terminal: func(io.Writer) (int, bool) { return 0, false }}
	for _, args := range [][]string{{"agent"}, {"agent", "--config", "/nonexistent"}, {"agent", "--config", "x", "more"}} {
		if code := run(t.Context(), e, args); code != exitUsage {
			t.Errorf("%v: exit code %d: %s", args, code, stderr.String())
		}
	}
}

// The clock of the events paces the rules: live and replayed alike.
func TestPacer(t *testing.T) {
	var got []float64
	p := pacer{tell: func(alerts []alert.Alert) {
		for _, a := range alerts {
			got = append(got, a.Value, float64(a.StartsAt.UnixNano())/1e9)
		}
	}}
	p.Observe(&track.Observation{Event: events.Event{Kind: events.Closed}}) // no rules yet
	p.use(&ends{}, 5*time.Second)
	for _, s := range []uint64{1, 2, 5, 7, 3, 8} {
		p.Observe(&track.Observation{Event: events.Event{Kind: events.Closed, Time: s * 1e9}})
	}
	p.tick(11e9)
	p.tick(12e9)
	p.last(13e9)
	want := []float64{3, 7, 3, 12}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
