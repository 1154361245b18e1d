package check

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/model"
)

func all(*track.Observation) bool { return true }

// ended is the end of a life with a verdict.
func ended(v model.Verdict, rule model.Rule) *track.Observation {
	s := &track.Socket{
		ID: 1, Steps: 3, State: model.Close, Facts: track.Ended | track.Reported, Family: events.IPv4,
		Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{10, 0, 0, 2}, Lport: 40000, Rport: 443,
	}
	s.End = track.End{Reason: model.ReasonResetByPeer, Verdict: v, Rule: rule}
	return &track.Observation{Event: events.Event{Kind: events.Closed, Time: 5e9}, Socket: s, Judgement: model.Judgement{Verdict: v, Rule: rule}}
}

func lost(where events.Where) *track.Observation {
	return &track.Observation{Event: events.Event{Kind: events.Lost, Where: where, LostCount: 12}}
}

// What fails, what is not proven, and what both make of the outcome.
func TestResult(t *testing.T) {
	normal, abnormal, impossible := ended(model.Normal, model.RuleNone), ended(model.Abnormal, model.RuleNone), ended(model.Impossible, model.RuleNone)
	notable := ended(model.Notable, model.RuleNone)
	unseen, midLife := ended(model.Unjudged, model.RuleEventsLost), ended(model.Unjudged, model.RuleBeganBefore)
	cases := []struct {
		name   string
		failOn model.Verdict
		said   []*track.Observation
		status string
		nagios int
	}{
		{"nothing", model.Abnormal, nil, "passed", 0},
		{"all in order", model.Abnormal, []*track.Observation{normal, notable}, "passed", 0},
		{"notable is a failure", model.Notable, []*track.Observation{normal, notable}, "failed", 2},
		{"a reset", model.Abnormal, []*track.Observation{normal, abnormal}, "failed", 2},
		{"a reset is allowed", model.Impossible, []*track.Observation{abnormal}, "passed", 0},
		{"impossible", model.Impossible, []*track.Observation{impossible}, "failed", 2},
		{"events lost", model.Abnormal, []*track.Observation{normal, lost(events.WhereRing)}, "not proven", 3},
		{"events lost, and a reset", model.Abnormal, []*track.Observation{abnormal, lost(events.WhereNested)}, "failed", 2},
		{"lines lost", model.Abnormal, []*track.Observation{normal, lost(events.WhereQueue)}, "not proven", 3},
		{"unjudged for a loss", model.Abnormal, []*track.Observation{unseen}, "not proven", 3},
		{"met mid-life", model.Abnormal, []*track.Observation{midLife}, "passed", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := Checker{FailOn: c.failOn, Ours: all}
			for _, o := range c.said {
				_ = k.Write(o)
			}
			r := k.Result(track.New(track.Options{}, nil), 6e9)
			if r.Status() != c.status {
				t.Errorf("%s, want %s: %s", r.Status(), c.status, r.Summary())
			}
			line, code := r.Nagios()
			if code != c.nagios || !strings.HasPrefix(line, "TCPWATCH ") || strings.Count(line, "|") != 1 || strings.Contains(line, "\n") {
				t.Errorf("nagios %d, want %d: %s", code, c.nagios, line)
			}
		})
	}
}

// Only those that are asked about count, and of many failures some are told.
func TestStories(t *testing.T) {
	k := Checker{FailOn: model.Abnormal, Ours: func(o *track.Observation) bool { return o.Socket.ID%2 == 0 }}
	for id := range uint64(2*MaxStories + 20) {
		o := ended(model.Abnormal, model.RuleNone)
		o.Socket.ID = id
		_ = k.Write(o)
	}
	listener := ended(model.Abnormal, model.RuleNone)
	listener.Socket.ID, listener.Socket.Role = 0, model.RoleListener
	_ = k.Write(listener)
	r := k.Result(track.New(track.Options{}, nil), 6e9)
	if r.Lives != MaxStories+10 || r.Failed != MaxStories+10 || len(r.Stories) != MaxStories {
		t.Errorf("%d lives, %d failed, %d told", r.Lives, r.Failed, len(r.Stories))
	}
}

func TestLimits(t *testing.T) {
	rows := []track.Row{
		{State: model.CloseWait, Since: 1e9}, {State: model.CloseWait, Since: 50e9}, {State: model.CloseWait},
		{State: model.CloseWait, Since: 1e9, EndTime: 2e9}, {State: model.Established, Since: 1e9},
	}
	ports := []waits.Pressure{{Used: 81, Usable: 100, Port: 443}}
	age := map[model.State]time.Duration{model.CloseWait: 30 * time.Second}
	cases := []struct {
		name   string
		limits Limits
		want   string
	}{
		{"none", Limits{CloseWait: -1}, ""},
		{"enough", Limits{CloseWait: 3, Pressure: 0.81}, ""},
		{"too many", Limits{CloseWait: 2}, "max-close-wait"},
		{"none allowed", Limits{CloseWait: 0}, "max-close-wait"},
		{"too old", Limits{CloseWait: -1, Age: age}, "max-age CLOSE_WAIT"},
		{"pressure", Limits{CloseWait: -1, Pressure: 0.8}, "max-port-pressure"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var r Result
			c.limits.Apply(&r, rows, ports, 60e9)
			got := ""
			for _, b := range r.Breaches {
				got += b.Limit
			}
			if got != c.want || r.Passed() != (c.want == "") {
				t.Errorf("%+v, want %q", r.Breaches, c.want)
			}
		})
	}
}

func TestParseAge(t *testing.T) {
	if state, d, err := ParseAge("close-wait=90s"); state != model.CloseWait || d != 90*time.Second || err != nil {
		t.Errorf("%v %v %v", state, d, err)
	}
	for _, bad := range []string{"", "CLOSE_WAIT", "CLOSE_WAIT=", "CLOSE_WAIT=-1s", "CLOSE_WAIT=5", "NOWHERE=5s"} {
		if _, _, err := ParseAge(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// What is written is read back as JUnit's form, whatever a story holds.
func TestJUnit(t *testing.T) {
	k := Checker{FailOn: model.Abnormal, Ours: all}
	_ = k.Write(ended(model.Abnormal, model.RuleNone))
	_ = k.Write(ended(model.Normal, model.RuleNone))
	_ = k.Write(lost(events.WhereRing))
	r := k.Result(track.New(track.Options{}, nil), 6e9)
	r.breach("max-close-wait", "3 sockets")
	var b strings.Builder
	if err := r.WriteJUnit(&b, func(*Story) string { return "<&>\x1b]]>" }); err != nil {
		t.Fatal(err)
	}
	var back suite
	if err := xml.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatalf("%v: %s", err, b.String())
	}
	if back.Tests != 3 || back.Failures != 2 || back.Errors != 1 || back.Cases[0].Failure.Message != "reset_by_peer" ||
		back.Cases[0].Name != "10.0.0.1:40000 to 10.0.0.2:443" || !strings.HasPrefix(back.Cases[0].Failure.Text, "<&>") {
		t.Errorf("%+v", back)
	}
}
