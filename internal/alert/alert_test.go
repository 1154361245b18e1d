package alert

import (
	"testing"
	"time"
)

func TestFingerprintTellsAlertsApart(t *testing.T) {
	one := func(rule string, labels ...string) uint64 {
		a := Alert{Rule: rule, Labels: map[string]string{}}
		for i := 0; i < len(labels); i += 2 {
			a.Labels[labels[i]] = labels[i+1]
		}
		return a.Fingerprint()
	}
	if one("A", "x", "1", "y", "2") != one("A", "y", "2", "x", "1") {
		t.Error("the order of labels matters")
	}
	seen := map[uint64]bool{}
	for _, f := range []uint64{one("A"), one("B"), one("A", "x", "1"), one("A", "x1", ""), one("A", "", "x1"), one("Ax", "", "1")} {
		if seen[f] {
			t.Error("two alerts with one fingerprint")
		}
		seen[f] = true
	}
}

func TestLineOfTheContract(t *testing.T) {
	booted := time.Unix(1_000_000_000, 0).UTC()
	a := Alert{
		Rule: "CloseWaitLeak", Status: Resolved, Labels: map[string]string{"severity": "warning"}, Value: 120,
		StartsAt: booted.Add(time.Minute), EndsAt: booted.Add(2 * time.Minute), Lost: 3,
		Top: []Holder{
			{PID: 80, Comm: "nginx", FD: 0, Count: 120, Example: "10.0.0.1:443 > 10.0.0.2:50000", History: "ESTABLISHED 1s, CLOSE_WAIT 5m"},
			{FD: -1, Count: 1},
		},
	}
	const want = `{"event":"alert","time":"2001-09-09T01:48:40Z","mono_ns":120000000000,"rule":"CloseWaitLeak","status":"resolved","value":120,` +
		`"starts_at":"2001-09-09T01:47:40Z","ends_at":"2001-09-09T01:48:40Z","labels":{"severity":"warning"},"lost":3,` +
		`"top":[{"pid":80,"comm":"nginx","fd":0,"count":120,"example":"10.0.0.1:443 \u003e 10.0.0.2:50000","history":"ESTABLISHED 1s, CLOSE_WAIT 5m"},{"count":1}]}`
	got, err := a.Line(booted)
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}
