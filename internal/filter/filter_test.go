package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

func comm(s string) (c [16]byte) {
	copy(c[:], s)
	return c
}

// edge is nginx's 10.0.0.1:443 > 192.168.7.9:50000 that goes ESTABLISHED>CLOSE_WAIT.
func edge(changes ...func(*track.Observation)) *track.Observation {
	e, _ := model.Lookup(model.Established, model.CloseWait)
	o := &track.Observation{
		Event: events.Event{
			Kind: events.Transition, Time: 5e9, Cookie: 0xabc, Family: events.IPv4, Netns: 4026531840,
			Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{192, 168, 7, 9}, Lport: 443, Rport: 50000,
			From: model.Established, To: model.CloseWait, InState: -1,
		},
		ID: 3, InState: 90e9, Step: 3, Role: model.RolePassive,
		Judgement: model.Judgement{Verdict: e.Verdict, Rule: e.Rule()},
		Owner:     events.Owner{PID: 80, FD: 7, Comm: comm("nginx"), Provenance: events.ProvenanceExact},
	}
	for _, c := range changes {
		c(o)
	}
	return o
}

func v6(o *track.Observation) {
	o.Event.Family = events.IPv6
	o.Event.Saddr = [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}
	o.Event.Daddr = [16]byte{10: 0xff, 11: 0xff, 12: 10, 13: 1, 14: 2, 15: 3} // ::ffff:10.1.2.3
}

func byName(s string) (uint32, error) {
	if s == "blue" {
		return 4026531840, nil
	}
	return 0, errors.New("no such network namespace")
}

func TestFlags(t *testing.T) {
	l := func(s ...string) []string { return s }
	cases := []struct {
		name  string
		flags Flags
		o     *track.Observation
		want  bool
	}{
		{"none", Flags{}, edge(), true},
		{"port, local", Flags{Port: l("443")}, edge(), true},
		{"port, remote", Flags{Port: l("50000")}, edge(), true},
		{"port, neither", Flags{Port: l("80")}, edge(), false},
		{"one of several ports", Flags{Port: l("80", "443")}, edge(), true},
		{"lport", Flags{Lport: l("443")}, edge(), true},
		{"lport is not rport", Flags{Lport: l("50000")}, edge(), false},
		{"rport", Flags{Rport: l("50000")}, edge(), true},
		{"rport is not lport", Flags{Rport: l("443")}, edge(), false},
		{"flags must all match", Flags{Lport: l("443"), Rport: l("1")}, edge(), false},
		{"address", Flags{Addr: l("10.0.0.1")}, edge(), true},
		{"network of the peer", Flags{Addr: l("192.168.0.0/16")}, edge(), true},
		{"host bits do not matter", Flags{Addr: l("192.168.77.77/16")}, edge(), true},
		{"other network", Flags{Addr: l("172.16.0.0/12")}, edge(), false},
		{"everything IPv4", Flags{Addr: l("0.0.0.0/0")}, edge(), true},
		{"IPv6 network", Flags{Addr: l("2001:db8::/32")}, edge(v6), true},
		{"IPv6 is not IPv4", Flags{Addr: l("2001:db8::/32")}, edge(), false},
		{"IPv4 network, v4-mapped socket", Flags{Addr: l("10.1.0.0/16")}, edge(v6), true},
		{"v4-mapped address, IPv4 socket", Flags{Addr: l("::ffff:10.0.0.1")}, edge(), true},
		{"v4-mapped network, IPv4 socket", Flags{Addr: l("::ffff:10.0.0.0/104")}, edge(), true},
		{"v4-mapped network, v4-mapped socket", Flags{Addr: l("::ffff:10.1.0.0/112")}, edge(v6), true},
		{"state entered", Flags{State: l("CLOSE_WAIT")}, edge(), true},
		{"state left", Flags{State: l("ESTABLISHED")}, edge(), true},
		{"as ss spells it", Flags{State: l("close-wait")}, edge(), true},
		{"as ss prints it", Flags{State: l("ESTAB")}, edge(), true},
		{"as the kernel spells it", Flags{State: l("TCP_CLOSE_WAIT")}, edge(), true},
		{"as the RFC spells it", Flags{State: l("fin-wait-1")}, edge(), false},
		{"pid", Flags{PID: l("80")}, edge(), true},
		{"other pid", Flags{PID: l("81")}, edge(), false},
		{"comm", Flags{Comm: l("nginx")}, edge(), true},
		{"comm glob", Flags{Comm: l("ng*")}, edge(), true},
		{"comm glob class", Flags{Comm: l("ng[a-i]nx")}, edge(), true},
		{"comm is not a substring", Flags{Comm: l("gin")}, edge(), false},
		{"comm with an escape, as printed", Flags{Comm: l(`\x1b[2J`)}, edge(func(o *track.Observation) { o.Owner.Comm = comm("\x1b[2J") }), true},
		{"netns by number", Flags{Netns: l("4026531840")}, edge(), true},
		{"netns by name", Flags{Netns: l("blue")}, edge(), true},
		{"other netns", Flags{Netns: l("1")}, edge(), false},
		{"abnormal, of a normal one", Flags{Abnormal: true}, edge(), false},
		{"abnormal", Flags{Abnormal: true}, edge(func(o *track.Observation) { o.Judgement.Verdict = model.Impossible }), true},
		{"a loss is always shown", Flags{Port: l("1")}, &track.Observation{Event: events.Event{Kind: events.Lost}}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := New(c.flags, "", byName)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Match(c.o); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			late := len(c.flags.Comm)+len(c.flags.Container) > 0
			if got := f.MayMatch(c.o); got != c.want && !late || c.want && !got {
				t.Errorf("may be %v", got)
			}
			if n := testing.AllocsPerRun(100, func() { f.MayMatch(c.o) }); n != 0 {
				t.Errorf("%v allocations to see whether it may", n)
			}
		})
	}
}

func TestExpressions(t *testing.T) {
	life := &track.Socket{Facts: track.Ended | track.Reported, Born: 1e9, EndTime: 4e9, End: track.End{Reason: model.ReasonResetByPeer, By: model.ClosedByPeer}}
	closed := edge(func(o *track.Observation) {
		o.Event.Kind, o.Socket = events.Closed, life
		o.Judgement.Verdict = model.Abnormal
	})
	cases := []struct {
		source string
		o      *track.Observation
		want   bool
	}{
		{`to == "CLOSE_WAIT" and owner.comm == "nginx"`, edge(), true},
		{`to == "CLOSE_WAIT" and owner.comm == "curl"`, edge(), false},
		{`event == "transition" && in_state_ns > duration("1m")`, edge(), true},
		{`in_state_ns > duration("2m")`, edge(), false},
		{`cidr(raddr, "192.168.0.0/16")`, edge(), true},
		{`cidr(raddr, "10.0.0.0/8")`, edge(v6), true},
		{`cidr(raddr, "nonsense")`, edge(), false},
		{`rule startsWith "fin-" or verdict in ["abnormal", "impossible"]`, edge(), true},
		{`cookie == "abc" and socket == 3 and step == 3 and role == "passive"`, edge(), true},
		{`actor.comm == ""`, edge(), true},
		{`close_reason == "reset_by_peer" and closed_by == "peer" and duration_ns == 3000000000 and complete`, closed, true},
		{`event == "reset" and reason == "TCP_STATE" and active`, edge(func(o *track.Observation) {
			o.Event.Kind, o.Event.Extra, o.Event.Flags = events.ResetSent, 1, model.ActiveReset
		}), true},
		{`listen.accept_queue > listen.accept_limit and listen.syn_queue == 65 and listen.unaccepted == 4`, listening(true), true},
		{`netns_counters.listen_overflows > 10 and netns_counters.abort_failed == -1`, listening(true), true},
		{`listen.accept_queue == 4 and listen.syn_queue == -1 and listen.unaccepted == -1`, listening(false), true},
		{`listen.accept_queue >= 0 or listen.unaccepted >= 0 or netns_counters.listen_drops >= 0`, edge(), false},
		{`state == "NEW_SYN_RECV" and retransmits.synack == 3 and in_state_ns > duration("1s")`, edge(func(o *track.Observation) {
			o.Event.Kind, o.Event.To, o.Event.Count, o.InState = events.Inventory, model.NewSynRecv, 3, 2e9
		}), true},
		{`event == "retransmit" and kind == "syn" and count > 1 and err == 113`, edge(func(o *track.Observation) {
			o.Event.Kind, o.Segment, o.Count, o.Event.Err = events.Retransmit, track.SegmentSYN, 2, 113
		}), true},
	}
	for _, c := range cases {
		f, err := New(Flags{}, c.source, byName)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		f.ResetReason = func(uint32) string { return "TCP_STATE" }
		if got := f.Match(c.o); got != c.want {
			t.Errorf("%s: %v, want %v", c.source, got, c.want)
		}
	}
}

func TestRows(t *testing.T) {
	r := track.Row{ID: 1, Family: events.IPv4, Saddr: [16]byte{10, 0, 0, 1}, Lport: 80, State: model.CloseWait, Facts: track.BeganBefore}
	for source, want := range map[string]bool{
		`state == "CLOSE_WAIT" and lport == 80 and began == "before"`: true,
		`state == "LISTEN"`:  false,
		`close_reason == ""`: true,
	} {
		f := &Filter{}
		match, err := f.CompileRow(source)
		if err != nil {
			t.Fatal(err)
		}
		if got := match(&r); got != want {
			t.Errorf("%s: %v, want %v", source, got, want)
		}
	}
}

// A socket that has ended and is still held is one, for as long as its memory and
// its address are its own.
func TestHeldRows(t *testing.T) {
	f := &Filter{Now: func() uint64 { return 15e9 }}
	match, err := f.CompileRow(`held and state == "CLOSE" and in_state_ns == duration("5s")`)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		facts track.Fact
		since uint64
		want  bool
	}{
		{track.Ended, 10e9, true},
		{track.Ended | track.Reported, 10e9, true},
		{track.Ended, 11e9, false},
		{track.Ended | track.BeganBefore, 0, false}, // its end was not seen
		{track.Ended | track.Destroyed, 10e9, false},
		{track.Ended | track.Retired, 10e9, false}, // connected again
		{0, 10e9, false},
	} {
		if got := match(&track.Row{State: model.Close, Facts: c.facts, Since: c.since}); got != c.want {
			t.Errorf("facts %b since %d: %v, want %v", c.facts, c.since, got, c.want)
		}
	}
}

// Whatever is wrong is said in one line that names it.
func TestBadValues(t *testing.T) {
	cases := []struct {
		flags      Flags
		expression string
		want       string
	}{
		{Flags{Port: []string{"http"}}, "", `parse --port "http": want a port`},
		{Flags{Lport: []string{"65536"}}, "", `parse --lport "65536": want a port`},
		{Flags{Rport: []string{"-1"}}, "", `parse --rport "-1": want a port`},
		{Flags{Addr: []string{"10.0.0"}}, "", `parse --addr "10.0.0": want an address or a network`},
		{Flags{Addr: []string{"10.0.0.0/33"}}, "", `want an address or a network`},
		{Flags{State: []string{"CLOSE_WAI"}}, "", `did you mean CLOSE_WAIT?`},
		{Flags{State: []string{"?"}}, "", `one of ESTABLISHED`},
		{Flags{PID: []string{"nginx"}}, "", `parse --pid "nginx": want a process id`},
		{Flags{Comm: []string{"[a"}}, "", `parse --comm "[a"`},
		{Flags{Netns: []string{"green"}}, "", `parse --netns "green": no such network namespace`},
		{Flags{}, `stat == "LISTEN"`, `did you mean state?`},
		{Flags{}, `owner.com == "x"`, `did you mean owner.comm?`},
		{Flags{}, `lports == 1`, `did you mean lport?`},
		{Flags{}, `qwertyuiop == 1`, `see tcpwatch help filter`},
		{Flags{}, `lport`, `parse filter: `},
		{Flags{}, `lport == "80"`, `mismatched types`},
		{Flags{}, `to ==`, `parse filter: `},
		{Flags{}, "to == \"\n", `parse filter: `},
		{Flags{}, strings.Repeat("(", 20000), `want at most`},
		{Flags{}, strings.Repeat("1+", 3000) + "1 == 1", `parse filter: `},
	}
	for _, c := range cases {
		_, err := New(c.flags, c.expression, byName)
		if err == nil {
			t.Errorf("%+v %.40q was taken, want an error with %q", c.flags, c.expression, c.want)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%+v %.40q: %v; want one line with %q", c.flags, c.expression, err, c.want)
		}
	}
}

// The fields of the public contract, but for time (mono_ns is a number), text
// made for people, lists, and what this version never writes.
const contract = `event mono_ns socket cookie netns netns_cookie family laddr lport raddr rport role
owner.pid owner.comm owner.fd owner.provenance actor.pid actor.comm from to in_state_ns verdict rule why
evidence.err evidence.err_soft evidence.shutdown evidence.dead evidence.done evidence.owned evidence.snd_una
evidence.snd_nxt evidence.rcv_nxt evidence.write_seq evidence.copied_seq evidence.bytes_acked evidence.bytes_received
listen.accept_queue listen.accept_limit listen.syn_queue listen.syn_limit listen.syn_young listen.unaccepted
netns_counters.listen_overflows netns_counters.listen_drops netns_counters.syncookies_sent
state began held recv_q send_q substate remaining_ns kind seq count direction reason close_reason closed_by duration_ns
retransmits.syn retransmits.synack retransmits.fin retransmits.data complete where`

func TestNamesCoverTheContract(t *testing.T) {
	have := " " + strings.Join(Names(), " ") + " "
	for _, name := range strings.Fields(contract) {
		if !strings.Contains(have, " "+name+" ") {
			t.Errorf("no field %s", name)
		}
	}
	for _, name := range Names() {
		if _, err := Compile(name + " == " + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No expression panics, neither when it is compiled nor when it is asked.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{`to == "CLOSE_WAIT"`, `cidr(raddr, "10.0.0.0/8")`, `duration("1s") > 1`, `owner.comm matches "a+"`, `1..9`, `let x = 1; x == 1`, "(((", `all([1], # > 0)`} {
		f.Add(s)
	}
	o := edge()
	f.Fuzz(func(t *testing.T, source string) {
		x, err := New(Flags{}, source, byName)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than one line", err)
			}
			return
		}
		x.Match(o)
	})
}

func BenchmarkMatch(b *testing.B) {
	for name, source := range map[string]string{"flags": "", "expression": `to == "CLOSE_WAIT" and owner.comm == "nginx"`} {
		b.Run(name, func(b *testing.B) {
			f, err := New(Flags{Port: []string{"443"}, Addr: []string{"10.0.0.0/8"}}, source, byName)
			if err != nil {
				b.Fatal(err)
			}
			o := edge()
			b.ReportAllocs()
			for b.Loop() {
				f.Match(o)
			}
		})
	}
}
