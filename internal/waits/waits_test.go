package waits

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

const ns = 4026531840

func comm(s string) (c [16]byte) {
	copy(c[:], s)
	return c
}

// sysctls are a namespace's files.
func sysctls(changes map[string]string) fstest.MapFS {
	files := map[string]string{
		"ip_local_port_range": "1000\t1099\n", "ip_local_reserved_ports": "\n", "tcp_tw_reuse": "0\n", "tcp_timestamps": "1\n",
		"tcp_max_tw_buckets": "16384\n", "tcp_fin_timeout": "60\n", "tcp_syn_retries": "6\n", "tcp_abort_on_overflow": "0\n",
	}
	for name, text := range changes {
		files[name] = text
	}
	fs := fstest.MapFS{}
	for name, text := range files {
		if text != "" {
			fs[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return fs
}

func TestReadSettings(t *testing.T) {
	cases := []struct {
		name    string
		changes map[string]string
		usable  int
		delay   int64
		err     string
	}{
		{"as they are", nil, 100, 1e9, ""},
		{"reserved", map[string]string{"ip_local_reserved_ports": "80,1000-1009,1050,1099-2000\n"}, 88, 1e9, ""},
		{"from 6.14 on", map[string]string{"tcp_tw_reuse_delay": "250\n"}, 100, 250e6, ""},
		{"no range", map[string]string{"ip_local_port_range": ""}, 0, 0, "ip_local_port_range"},
		{"half a range", map[string]string{"ip_local_port_range": "1000\n"}, 0, 0, "1 numbers"},
		{"not a number", map[string]string{"tcp_tw_reuse": "yes\n"}, 0, 0, "tcp_tw_reuse"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := ReadSettings(sysctls(c.changes))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one about %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Usable() != c.usable || s.TWReuseDelay != c.delay {
				t.Errorf("%d ports, delay %d; want %d, %d", s.Usable(), s.TWReuseDelay, c.usable, c.delay)
			}
		})
	}
}

// scene makes the rows of an inventory.
type scene struct {
	*Collector
	cookie uint64
}

func newScene(t *testing.T, o Options, changes map[string]string) *scene {
	t.Helper()
	settings, err := ReadSettings(sysctls(changes))
	if err != nil {
		t.Fatal(err)
	}
	o.Settings = func(uint32) *Settings { return settings }
	return &scene{Collector: New(o)}
}

// row adds a socket of 10.0.0.1 to a port of 10.0.0.2.
func (s *scene) row(state model.State, lport, rport uint16, changes ...func(*track.Observation)) {
	s.cookie++
	o := &track.Observation{
		Event: events.Event{
			Kind: events.Inventory, Netns: ns, Family: events.IPv4, Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{10, 0, 0, 2},
			Lport: lport, Rport: rport, To: state, Cookie: s.cookie, InState: -1,
		},
		InState: -1, Owner: events.Owner{FD: -1},
	}
	for _, c := range changes {
		c(o)
	}
	s.Observe(o)
}

func of(pid uint32, name string, fd int32) func(*track.Observation) {
	return func(o *track.Observation) {
		o.Owner = events.Owner{PID: pid, Comm: comm(name), FD: fd, Provenance: events.ProvenanceExact}
	}
}

func seen(age int64) func(*track.Observation) { return func(o *track.Observation) { o.InState = age } }

func heard(ago int64) func(*track.Observation) {
	return func(o *track.Observation) { o.Event.SetAges(events.Ages{Segment: ago, Received: -1, Sent: -1}) }
}

func mini(substate model.State, remaining uint64) func(*track.Observation) {
	return func(o *track.Observation) { o.Event.From, o.Event.Extra = substate, remaining }
}

// A leak is told with its process, its listener, its descriptors and its ages.
func TestCloseWait(t *testing.T) {
	s := newScene(t, Options{}, nil)
	s.row(model.Listen, 80, 0)
	for i := range 5 {
		s.row(model.CloseWait, 80, uint16(2000+i), of(7, "leaky", int32(10-i)), heard(int64(i)*30e9))
	}
	s.row(model.CloseWait, 5000, 443, of(8, "client", 3), seen(90e9))
	r := s.Report(1e12)
	p := &r.Sections[CloseWait]
	if p.Count != 6 || len(p.Groups) != 2 {
		t.Fatalf("%d sockets in %d groups", p.Count, len(p.Groups))
	}
	leak, client := &p.Groups[0], &p.Groups[1]
	if leak.Count != 5 || leak.Key.PID != 7 || leak.Key.Lport != 80 || leak.Oldest != 120e9 || leak.Median != 60e9 || !leak.AtLeast || leak.Newer != 3 {
		t.Errorf("leak %+v", leak)
	}
	if leak.Holding != 5 || leak.FDs[0] != 6 || leak.FDs[4] != 10 || leak.Example.Rport != 2004 {
		t.Errorf("descriptors %v of %d, example %+v", leak.FDs, leak.Holding, leak.Example)
	}
	if client.Key.Rport != 443 || client.AtLeast || client.Oldest != 90e9 || client.Newer != 0 {
		t.Errorf("client %+v", client)
	}
	if !strings.Contains(p.Advice, "7/leaky") {
		t.Errorf("advice %q", p.Advice)
	}
}

func TestGroupedBy(t *testing.T) {
	cases := map[By]int{ByDefault: 4, ByPID: 3, ByComm: 2, ByListener: 2, ByPeer: 2, ByContainer: 1}
	for by, want := range cases {
		s := newScene(t, Options{By: by}, nil)
		s.row(model.Listen, 80, 0)
		s.row(model.CloseWait, 80, 2000, of(7, "a", 1))
		s.row(model.CloseWait, 80, 2001, of(7, "a", 2))
		s.row(model.CloseWait, 80, 2002, of(8, "a", 3))
		s.row(model.CloseWait, 5000, 443, of(7, "a", 4))
		s.row(model.CloseWait, 5001, 443, of(9, "b", 4))
		r := s.Report(1e12)
		if got := len(r.Sections[CloseWait].Groups); got != want {
			t.Errorf("by %d: %d groups, want %d: %+v", by, got, want, r.Sections[CloseWait].Groups)
		}
	}
}

// Sockets in FIN_WAIT2 end in three ways, and are told apart.
func TestFinWait2(t *testing.T) {
	s := newScene(t, Options{}, nil)
	s.row(model.FinWait2, 5000, 443, of(7, "a", 4), heard(5e9))
	s.row(model.FinWait2, 5001, 443, func(o *track.Observation) { o.Owner.Note = events.NoteOrphan })
	s.row(model.TimeWait, 5002, 443, mini(model.FinWait2, 20e9))
	s.row(model.TimeWait, 5003, 443, mini(model.TimeWait, 20e9))
	r := s.Report(1e12)
	kinds := map[Kind]int64{}
	for _, g := range r.Sections[FinWait2].Groups {
		kinds[g.Key.Kind] = g.Oldest
	}
	if len(kinds) != 3 || kinds[KindHeld] != 5e9 || kinds[KindOrphan] != -1 || kinds[KindMini] != 40e9 {
		t.Errorf("oldest of each kind: %v", kinds)
	}
	if tw := &r.Sections[TimeWait]; tw.Count != 1 || tw.Groups[0].Oldest != 40e9 || !strings.Contains(tw.Advice, "this side closed first, as the client of 10.0.0.2:443") {
		t.Errorf("TIME_WAIT: %+v", tw)
	}
}

// Ports are taken towards one destination; what a listener bore, or has, and what
// connect() may take over, do not count.
func TestPressure(t *testing.T) {
	cases := []struct {
		name            string
		changes         map[string]string
		taken, reusable int
		usable          int
		advice          string
	}{
		{"no reuse", nil, 60, 0, 99, "tcp_tw_reuse is 0"},
		{"reuse", map[string]string{"tcp_tw_reuse": "1\n"}, 10, 50, 99, "No port is short: 89 are left"},
		{"reuse without timestamps", map[string]string{"tcp_tw_reuse": "1\n", "tcp_timestamps": "0\n"}, 60, 0, 99, "tcp_timestamps"},
		{"reuse on loopback only", map[string]string{"tcp_tw_reuse": "2\n"}, 60, 0, 99, "tcp_tw_reuse is 2"},
		{"later", map[string]string{"tcp_tw_reuse": "1\n", "tcp_tw_reuse_delay": "30000\n"}, 60, 0, 99, "widen"},
		{"only bound", nil, 60, 0, 97, "tcp_tw_reuse is 0"},
		{"reserved", map[string]string{"ip_local_reserved_ports": "1000-1004,3000\n"}, 55, 0, 94, "tcp_tw_reuse is 0"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, Options{Bound: func(uint32) ([]uint16, bool) {
				if c.name != "only bound" {
					return nil, true
				}
				return []uint16{80, 1080, 1081, 1099}, true
			}}, c.changes)
			s.row(model.Listen, 1099, 0)
			s.row(model.Established, 1099, 443) // its child, whatever the peer's port
			s.row(model.Established, 900, 443)  // bound below the range
			s.row(model.Established, 1098, 444)
			for i := range uint16(10) {
				s.row(model.Established, 1000+i, 443)
			}
			for i := range uint16(50) {
				s.row(model.TimeWait, 1010+i, 443, mini(model.TimeWait, 50e9))
			}
			r := s.Report(1e12)
			if len(r.Pressure) != 2 {
				t.Fatalf("%d destinations: %+v", len(r.Pressure), r.Pressure)
			}
			p := &r.Pressure[0]
			if p.Port != 443 || p.Taken() != c.taken || p.Reusable != c.reusable || p.Usable != c.usable || p.Left != -1 {
				t.Errorf("%+v", p)
			}
			advice := p.Advice(r.Spaces[0].Settings)
			if !strings.Contains(advice, c.advice) || strings.Contains(advice, "recycle") {
				t.Errorf("advice %q", advice)
			}
		})
	}
}

// A rate is measured over the reports of a minute, and tells when the ports end.
func TestMeter(t *testing.T) {
	m := NewMeter()
	at := func(second, ports int) *Report {
		s := newScene(t, Options{}, nil)
		s.row(model.Listen, 80, 0)
		for i := range ports {
			s.row(model.Established, uint16(1000+i), 443)
			s.row(model.CloseWait, 80, uint16(2000+i), of(7, "leaky", 4))
		}
		r := s.Report(uint64(second) * 1e9)
		m.Measure(r)
		return r
	}
	r := at(1000, 10)
	if p := &r.Pressure[0]; !math.IsNaN(p.Rate) || p.Left != -1 {
		t.Errorf("after one report: %+v", p)
	}
	at(1010, 30)
	r = at(1020, 50)
	if p, g := &r.Pressure[0], &r.Sections[CloseWait].Groups[0]; p.Rate != 120 || p.Left != 25e9 || g.Rate != 120 {
		t.Errorf("2 a second: %+v, %+v", p, g)
	}
	at(1100, 50) // nothing more for longer than the window
	r = at(1170, 50)
	if p := &r.Pressure[0]; p.Rate != 0 || p.Left != -1 {
		t.Errorf("none for a minute: %+v", p)
	}
	if r = at(1180, 100); r.Pressure[0].Left != 0 {
		t.Errorf("all taken: %+v", r.Pressure[0])
	}
}

// What is left out is counted.
func TestTop(t *testing.T) {
	s := newScene(t, Options{Top: 2}, nil)
	for pid := range uint32(5) {
		for range pid + 1 {
			s.row(model.Close, 5000, 443, of(pid+1, "a", 1))
		}
	}
	p := &s.Report(1e12).Sections[Held]
	if p.Count != 15 || len(p.Groups) != 2 || p.More != 3 || p.Rest != 6 || p.Groups[0].Key.PID != 5 {
		t.Errorf("%+v", p)
	}
}

// A connect that got no port is a socket that never had one.
func TestFailures(t *testing.T) {
	var f Failures
	try := func(change func(*events.Event)) {
		o := track.Observation{Event: events.Event{
			Kind: events.Transition, From: model.SynSent, To: model.Close, Netns: ns, Family: events.IPv4,
			Daddr: [16]byte{10, 0, 0, 2}, Rport: 443, Evidence: model.Evidence{Flags: model.Owned},
		}}
		change(&o.Event)
		f.Observe(&o)
	}
	try(func(*events.Event) {})
	try(func(ev *events.Event) { ev.Lport = 1000 }) // closed, or aborted
	try(func(ev *events.Event) { ev.Err = 111 })    // refused
	try(func(ev *events.Event) { ev.From = model.Established })
	try(func(ev *events.Event) { ev.Flags = 0 })
	s := newScene(t, Options{}, nil)
	s.row(model.Established, 1000, 443)
	r := s.Report(1e12)
	c := f.Clone()
	c.AddTo(r)
	if r.Pressure[0].Failed != 1 {
		t.Errorf("%d failed, want 1", r.Pressure[0].Failed)
	}
}

func BenchmarkReport(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c := New(Options{Top: 10})
		o := track.Observation{Event: events.Event{Kind: events.Inventory, Netns: ns, Family: events.IPv4, To: model.TimeWait, From: model.TimeWait, Extra: 30e9, Rport: 443}, InState: -1}
		const sockets = 500_000
		for i := range sockets {
			o.Event.Lport, o.Event.Daddr[0] = uint16(i), byte(i>>16)
			c.Observe(&o)
		}
		if r := c.Report(1e12); r.Sockets != sockets {
			b.Fatal(r.Sockets)
		}
	}
}
