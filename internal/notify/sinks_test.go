package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/tcpwatch/tcpwatch/internal/alert"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)

// samples are an alert that fires, the same one resolved, and one that was made by
// somebody hostile.
func samples() []alert.Alert {
	leak := alert.Alert{
		Rule: "CloseWaitLeak", Status: alert.Firing,
		Labels:      map[string]string{"severity": "critical", "comm": "leaky", "empty": ""},
		Annotations: map[string]string{"summary": "leaky has 120 in CLOSE_WAIT"},
		Value:       120, StartsAt: noon, Lost: 3,
		Top: []alert.Holder{{PID: 812, Comm: "leaky", FD: 6, Count: 120, Example: "127.0.0.1:8080 > 127.0.0.1:41418", History: "SYN_RECV 17µs, ESTABLISHED 2ms, CLOSE_WAIT 10s"}},
	}
	over := leak
	over.Status, over.EndsAt = alert.Resolved, noon.Add(90*time.Second)
	hostile := alert.Alert{
		Rule: "SomeRule", Status: alert.Firing, StartsAt: noon, Value: 1,
		Labels:      map[string]string{"comm": hostileText, "escaped": `ng\xff`},
		Annotations: map[string]string{"summary": "<!channel> " + hostileText},
		Top:         []alert.Holder{{PID: 1, Comm: hostileText, FD: -1, Count: 1}},
	}
	return []alert.Alert{leak, over, hostile}
}

const hostileText = "\xff\x1b[2Jx\n\x1b]0;p\x07\u202e=cmd()\u200b"

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// checkHarmless fails if text could drive a terminal or hide a part of itself.
func checkHarmless(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Bidi_Control, r) || r == '\u200b') {
			t.Errorf("%q holds %q", text, r)
			return
		}
	}
}

func TestTextAndJSON(t *testing.T) {
	var text, lines bytes.Buffer
	for _, s := range []Sink{&Text{&text}, &JSON{&lines, noon.Add(-time.Hour)}} {
		if err := s.Send(t.Context(), samples()); err != nil {
			t.Fatal(err)
		}
	}
	checkHarmless(t, text.String())
	checkHarmless(t, lines.String())
	checkGolden(t, "text", text.Bytes())
	checkGolden(t, "jsonl", lines.Bytes())
}

// taker is a server that keeps the last request, and answers as it is told to.
type taker struct {
	*httptest.Server
	body   []byte
	header http.Header
	path   string
	status int
}

func newTaker(t *testing.T) *taker {
	k := &taker{status: http.StatusOK}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.body, _ = io.ReadAll(r.Body)
		k.header, k.path = r.Header.Clone(), r.URL.Path
		if k.status == http.StatusFound {
			w.Header().Set("Location", "http://192.0.2.1/elsewhere")
		}
		w.WriteHeader(k.status)
	}))
	t.Cleanup(k.Close)
	return k
}

func (k *taker) client(t *testing.T) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return NewClient(transport)
}

func indented(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func TestPayloads(t *testing.T) {
	k := newTaker(t)
	for name, s := range map[string]Sink{
		"webhook":      &Webhook{URL: k.URL, Client: k.client(t), Secret: []byte("hush")},
		"slack":        &Slack{URL: k.URL, Client: k.client(t)},
		"alertmanager": &Alertmanager{URL: k.URL + "/", Client: k.client(t)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Send(t.Context(), samples()); err != nil {
				t.Fatal(err)
			}
			if s.Name() != name || k.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s sent %v", s.Name(), k.header)
			}
			checkHarmless(t, string(k.body))
			checkGolden(t, name, indented(t, k.body))
		})
	}
}

func TestAlertmanagerPath(t *testing.T) {
	k := newTaker(t)
	m := &Alertmanager{URL: k.URL + "/prefix/", Client: k.client(t)}
	if err := m.Send(t.Context(), samples()); err != nil || k.path != "/prefix/api/v2/alerts" {
		t.Errorf("posted to %s: %v", k.path, err)
	}
}

func TestWebhookSigns(t *testing.T) {
	k := newTaker(t)
	w := &Webhook{URL: k.URL, Client: k.client(t), Secret: []byte("hush")}
	if err := w.Send(t.Context(), samples()); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte("hush"))
	mac.Write(k.body)
	if got, want := k.header.Get("X-Tcpwatch-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
}

func TestAnswersAreJudged(t *testing.T) {
	k := newTaker(t)
	s := &Slack{URL: k.URL + "/services/secret", Client: k.client(t)}
	for status, passes := range map[int]bool{500: true, 503: true, 429: true, 408: true, 400: false, 404: false, 302: false} {
		k.status = status
		err := s.Send(t.Context(), samples())
		if err == nil || errors.Is(err, errPermanent) == passes {
			t.Errorf("%d: %v, want an error that passes: %t", status, err, passes)
		}
	}
	k.Close()
	err := s.Send(t.Context(), samples())
	if err == nil || errors.Is(err, errPermanent) || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestSlowServerIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	w := &Webhook{URL: server.URL, Client: NewClient(transport)}
	if err := w.Send(ctx, samples()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send: %v", err)
	}
}

func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	socket, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	s := &Syslog{Network: "unixgram", Address: path}
	if err := s.Send(t.Context(), samples()); err != nil {
		t.Fatal(err)
	}
	defer s.to.Close()
	for _, want := range []string{"<26>", "<29>", "<28>"} { // daemon and critical, notice, warning
		b := make([]byte, 4096)
		n, _, err := socket.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		line := string(b[:n])
		if !strings.HasPrefix(line, want) || !strings.Contains(line, "tcpwatch[") {
			t.Errorf("got %q, want %s", line, want)
		}
		checkHarmless(t, line)
	}
}

func TestJournal(t *testing.T) {
	var got []string
	j := &Journal{Write: func(m string, p journal.Priority, fields map[string]string) error {
		got = append(got, m)
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			got = append(got, "  "+name+"="+fields[name])
		}
		got = append(got, "  "+string('0'+rune(p)))
		return nil
	}}
	if err := j.Send(t.Context(), samples()); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(got, "\n") + "\n"
	checkHarmless(t, text)
	checkGolden(t, "journal", []byte(text))
}
