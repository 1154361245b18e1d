package record

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

func goodLine() string {
	for _, l := range live(scene(1)) {
		if strings.HasPrefix(l, `{"event":"transition"`) && strings.Contains(l, `"ipv4"`) && strings.Contains(l, `"cookie"`) {
			return l
		}
	}
	return ""
}

// Errors name the line and say what is wrong with it, in one line.
func TestReaderErrors(t *testing.T) {
	good := goodLine()
	cases := []struct{ name, bad, want string }{
		{"no JSON", "hello", "invalid character"},
		{"cut short", good[:40], "unexpected end"},
		{"family", strings.Replace(good, `"ipv4"`, `"ipx"`, 1), `unknown family "ipx"`},
		{"address", strings.Replace(good, `"127.0.0.1"`, `"localhost"`, 1), "parse address"},
		{"address of the other family", strings.Replace(good, `"127.0.0.1"`, `"::1"`, 1), "not ipv4"},
		{"role", strings.Replace(good, `"role":"`, `"role":"x`, 1), "unknown role"},
		{"provenance", strings.Replace(good, `"provenance":"`, `"provenance":"x`, 1), "unknown provenance"},
		{"port", strings.Replace(good, `"lport":`, `"lport":99999`, 1), "lport"},
		{"place of loss", `{"event":"lost","count":1,"where":"sofa"}`, `unknown place of loss "sofa"`},
		{"long", strings.Repeat(" ", maxLine+1), "too long"},
		{"cookie", strings.Replace(good, `"cookie":"`, `"cookie":"xyz`, 1), "parse cookie"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := NewReader(strings.NewReader(good + "\n" + good + strings.TrimSuffix(c.bad, "\n") + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			var ev events.Event
			for err == nil {
				err = r.Next(&ev)
			}
			if !strings.HasPrefix(err.Error(), "read recording, line 4: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want it to name line 4 and %q", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than one line", err)
			}
		})
	}
}

// Lines of a later version are skipped and counted, whatever they hold.
func TestReaderSkipsUnknownEvents(t *testing.T) {
	good := goodLine()
	r, err := NewReader(strings.NewReader(`{"event":"alert","rule":"x","top":[1]}` + "\n\n" + good + `{"event":"weather"}`))
	if err != nil {
		t.Fatal(err)
	}
	var ev events.Event
	if err := r.Next(&ev); err != nil || ev.Kind != events.Transition {
		t.Errorf("%s, %v; want the good line", ev.Kind, err)
	}
	if err := r.Next(&ev); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end", err)
	}
	if r.Skipped != 2 {
		t.Errorf("%d skipped, want 2", r.Skipped)
	}
}

func TestReaderOfNothing(t *testing.T) {
	r, err := NewReader(strings.NewReader("\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Next(new(events.Event)); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end", err)
	}
}

// A recording may name any number of reset reasons.
func TestReasonNamesAreBounded(t *testing.T) {
	var names reasonNames
	for i := range 10000 {
		names.number(strings.Repeat("x", i%500))
	}
	if len(names.names) > maxReasons {
		t.Errorf("%d names kept", len(names.names))
	}
	if got := names.name(maxReasons); got != "unknown" {
		t.Errorf("%q, want unknown", got)
	}
}

// Arbitrary bytes never panic: each line is an event or an error, and whatever
// was read can be tracked and written again.
func FuzzReader(f *testing.F) {
	for _, l := range live(scene(1))[:20] {
		f.Add([]byte(l))
	}
	e := Encoder{Epoch: epoch, ResetReason: reason}
	for _, o := range kinds() {
		f.Add(e.Append(nil, o))
	}
	f.Add([]byte(`{"event":"closed","family":"ipv4","laddr":"1.1.1.1","raddr":"1.1.1.1","role":"active","socket":1,"history":[{"state":"unknown(200)","ns":18446744073709551615}],"owner":{"provenance":"exact"},"duration_ns":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		w := &tape{encoder: Encoder{Epoch: r.Epoch, ResetReason: r.ResetReason}}
		table := track.New(track.Options{Replay: true, MaxSockets: 16, KeepClosed: 4, ResetReason: r.ResetReason}, w)
		for {
			ev := events.Event{}
			if err := r.Next(&ev); err != nil {
				if !errors.Is(err, io.EOF) && !strings.HasPrefix(err.Error(), "read recording, line ") {
					t.Errorf("error without a line: %v", err)
				}
				break
			}
			table.Apply(&ev)
		}
		table.Finish()
		for _, l := range w.lines {
			if strings.ContainsFunc(strings.TrimSuffix(l, "\n"), func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
				t.Errorf("not one printable line: %q", l)
			}
			if _, err := ParseLine([]byte(l)); err != nil {
				t.Errorf("%s: %v", l, err)
			}
		}
	})
}

// parseComm is the inverse of printable.Comm.
func FuzzParseComm(f *testing.F) {
	for _, s := range hostile {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c [16]byte
		copy(c[:], b)
		for i := range c {
			if c[i] == 0 {
				clear(c[i:]) // a name ends at the first NUL
				break
			}
		}
		if got, err := parseComm(printable.Comm(&c)); err != nil || got != c {
			t.Errorf("%q came back as %q, %v", c, got, err)
		}
		_, _ = parseComm(string(b)) // and nothing panics
	})
}
