package tui

import (
	"math"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/watch"
	"github.com/tcpwatch/tcpwatch/model"
)

var _ Feed = (*watch.Watch)(nil)

func TestSpans(t *testing.T) {
	cases := []struct {
		ns                   int64
		span, ticking, since string
	}{
		{-1, "-", "-", ""},
		{0, "0ns", "0.0s", "+0.000ms"},
		{999, "999ns", "0.0s", "+0.000ms"},
		{1_234, "1.23us", "0.0s", "+0.001ms"},
		{12_345, "12.3us", "0.0s", "+0.012ms"},
		{999_999, "999us", "0.0s", "+0.999ms"},
		{1_009_999, "1.00ms", "0.0s", "+1.009ms"},
		{140_000_000, "140ms", "0.1s", "+140.000ms"},
		{9_999_999_999, "9.99s", "9.9s", "+9.999s"},
		{10 * second, "10.0s", "10s", "+10.000s"},
		{59_999_999_999, "59.9s", "59s", "+59.999s"},
		{61 * second, "1m01s", "1m01s", "+1m01s"},
		{59*minute + 59*second, "59m59s", "59m59s", "+59m59s"},
		{2*hour + 5*minute, "2h05m", "2h05m", "+2h05m"},
		{99*day + 23*hour, "99d23h", "99d23h", "+99d23h"},
		{100 * day, "100d", "100d", "+100d"},
	}
	for _, c := range cases {
		if got := span(c.ns); got != c.span || len(got) > 6 {
			t.Errorf("span(%d) = %q, want %q", c.ns, got, c.span)
		}
		if got := ticking(c.ns); got != c.ticking {
			t.Errorf("ticking(%d) = %q, want %q", c.ns, got, c.ticking)
		}
		if got := offset(max(c.ns, 0)); c.since != "" && got != c.since {
			t.Errorf("offset(%d) = %q, want %q", c.ns, got, c.since)
		}
	}
}

func TestNumbers(t *testing.T) {
	cases := []struct {
		n              uint64
		grouped, short string
	}{
		{0, "0", "0"},
		{999, "999", "999"},
		{1000, "1,000", "1000"},
		{9999, "9,999", "9999"},
		{10_000, "10,000", "10.0k"},
		{65_599, "65,599", "65.5k"},
		{999_999, "999,999", "999k"},
		{1_234_567, "1,234,567", "1.2M"},
		{4_294_967_295, "4,294,967,295", "4.2G"},
		{math.MaxUint64, "18,446,744,073,709,551,615", "18.4E"},
	}
	for _, c := range cases {
		if got := grouped(c.n); got != c.grouped {
			t.Errorf("grouped(%d) = %q, want %q", c.n, got, c.grouped)
		}
		if got := short(c.n); got != c.short || len(got) > 5 {
			t.Errorf("short(%d) = %q, want %q", c.n, got, c.short)
		}
	}
}

func TestEndpointsKeepTheirPort(t *testing.T) {
	var a [16]byte
	copy(a[:], "\x20\x01\x0d\xb8\x00\x00\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05")
	long := endpoint(events.IPv6, &a, 40112)
	if long != "[2001:db8:0:1:2:3:4:5]:40112" {
		t.Fatalf("endpoint %s", long)
	}
	if got := unicodeGlyphs.fitEndpoint(long, 15); got != "[2001:db8…:40112" && cells(got) != 15 {
		t.Errorf("cut: %s", got)
	}
	if got := endpoint(events.IPv4, &[16]byte{}, 0); got != "*" {
		t.Errorf("no peer: %s", got)
	}
	if got := endpoint(77, &a, 80); got != "?:80" {
		t.Errorf("unknown family: %s", got)
	}
}

func TestEndText(t *testing.T) {
	cases := []struct {
		reason model.CloseReason
		by     model.Closer
		want   string
	}{
		{model.ReasonFin, model.ClosedByPeer, "fin by peer"},
		{model.ReasonResetByPeer, model.ClosedByPeer, "reset_by_peer"},
		{model.ReasonTimeoutSyn, model.ClosedByKernel, "timeout_syn by kernel"},
		{model.ReasonUnknown, model.ClosedByUnknown, "unknown"},
	}
	for _, c := range cases {
		if got := endText(c.reason, c.by); got != c.want {
			t.Errorf("%v %v: %q, want %q", c.reason, c.by, got, c.want)
		}
	}
}

func TestMeter(t *testing.T) {
	var m meter
	m.add(500, 100*second) // what was before does not count
	if m.rate() != 0 {
		t.Errorf("rate %d after one reading", m.rate())
	}
	for i := uint64(1); i <= 40; i++ { // 80 a second
		m.add(500+20*i, 100*second+i*second/4)
	}
	if m.rate() != 80 {
		t.Errorf("rate %d, want 80", m.rate())
	}
	m.add(m.total+3000, m.at+30*second) // a leap: 100 a second
	if m.rate() != 100 {
		t.Errorf("rate %d over the leap, want 100", m.rate())
	}
	values := m.minute(60)
	if len(values) != 60 || math.Abs(values[59]-100) > 1 || math.Abs(values[25]-80) > 1 || values[5] != 0 {
		t.Errorf("minute %v", values)
	}
	m.add(m.total+1, m.at+1000*second)
	if got := m.minute(60); got[0] > 1 || got[59] > 1 {
		t.Errorf("after a long time: %v", got)
	}
	m.add(5, 3*second) // another boot, another recording
	if m.rate() != 0 || m.total != 5 {
		t.Errorf("rate %d after a restart", m.rate())
	}
}

func TestSparkline(t *testing.T) {
	if got := unicodeGlyphs.sparkline([]float64{0, 1, 500, 1000}); got != " ▁▄█" {
		t.Errorf("sparkline %q", got)
	}
	if got := asciiGlyphs.sparkline([]float64{0, 1, 2}); strings.ContainsFunc(got, func(r rune) bool { return r > '~' }) {
		t.Errorf("sparkline %q", got)
	}
}

func TestLayoutFitsAndGrows(t *testing.T) {
	before := 0
	for width := range 300 {
		used := gutter - 1
		for _, c := range layOut(width) {
			used += 1 + c.width
		}
		chosen := layOut(width)
		if len(chosen) > 0 && used > width {
			t.Errorf("width %d: %d cells used", width, used)
		}
		if len(chosen) < before {
			t.Errorf("width %d: a column less than at width %d", width, width-1)
		}
		before = len(chosen)
	}
	if before != len(columns) {
		t.Errorf("%d of %d columns on a wide screen", before, len(columns))
	}
}
