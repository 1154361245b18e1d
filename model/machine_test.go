package model

import (
	"strings"
	"testing"
	"unsafe"
)

// parseLife reads "CLOSE SYN_SENT ESTABLISHED".
func parseLife(t *testing.T, life string) []State {
	t.Helper()
	var states []State
	for _, name := range strings.Fields(life) {
		s, ok := ParseState(name)
		if !ok {
			t.Fatalf("no state %q", name)
		}
		states = append(states, s)
	}
	return states
}

func TestTextbookLives(t *testing.T) {
	const normal, notable = Normal, Notable
	for _, test := range []struct {
		name, life string
		worst      Verdict
	}{
		{"RFC 9293 3.5 figure 6, active open and close", "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE", normal},
		{"RFC 9293 3.5 figure 6, passive", "LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE", normal},
		{"RFC 9293 3.5 figure 7, simultaneous open", "CLOSE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE", notable},
		{"RFC 9293 3.6 figure 13, simultaneous close", "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 CLOSING CLOSE", notable},
		{"RFC 9293 3.6.1, half-close then close", "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 FIN_WAIT2 CLOSE", normal},
		{"close after shutdown in FIN_WAIT1", "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT1 FIN_WAIT2 CLOSE", normal},
		{"close after shutdown in LAST_ACK", "LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK LAST_ACK CLOSE", normal},
		{"close after shutdown in CLOSING", "LISTEN SYN_RECV ESTABLISHED FIN_WAIT1 CLOSING CLOSING CLOSE", notable},
		{"RFC 7413, TFO child closed before its handshake is done", "LISTEN SYN_RECV FIN_WAIT1 FIN_WAIT2 CLOSE", normal},
		{"RFC 9293 3.10.7.4, reset", "LISTEN SYN_RECV ESTABLISHED CLOSE", normal},
		{"RFC 9293 3.10.7.3, refused, then again on the same socket", "CLOSE SYN_SENT CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE", normal},
		{"disconnected, then listening", "CLOSE SYN_SENT ESTABLISHED CLOSE LISTEN CLOSE", normal},
		{"a listener's life", "CLOSE LISTEN CLOSE", normal},
		{"a listener killed", "CLOSE LISTEN CLOSE CLOSE", notable},
		{"a child of a listener that is being closed", "CLOSE SYN_RECV ESTABLISHED CLOSE", notable},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m Machine
			states, worst := parseLife(t, test.life), Normal
			for i, to := range states[1:] {
				j := m.Step(states[i], to, false, nil)
				if j.Verdict > worst {
					worst = j.Verdict
				}
				if now, ok := m.State(); !ok || now != to {
					t.Fatalf("state %s, want %s", now, to)
				}
				if m.MidLife() || m.Gap() {
					t.Errorf("step %d: mid-life or gap", i)
				}
			}
			if worst != test.worst {
				t.Errorf("want %s at worst, got %s", test.worst, worst)
			}
		})
	}
}

func TestEveryOtherPairIsImpossible(t *testing.T) {
	documented := " " + strings.Join(strings.Fields(pairs), " ") + " "
	for from := range State(255) {
		for to := range State(255) {
			if strings.Contains(documented, " "+from.String()+"->"+to.String()+" ") {
				continue
			}
			want := RuleUndocumentedEdge
			switch {
			case !from.Valid() || !to.Valid():
				want = RuleUnknownState
			case !stored(from) || !stored(to):
				want = RuleNeverStored
			}
			for _, m := range []Machine{{}, Found(from)} {
				for _, loss := range []bool{false, true} {
					if j := m.Step(from, to, loss, nil); j.Verdict != Impossible || j.Rule != want {
						t.Errorf("%s->%s: want impossible %s, got %s %s", from, to, want, j.Verdict, j.Rule)
					}
				}
			}
		}
	}
}

func TestStep(t *testing.T) {
	type step struct {
		from, to State
		loss     bool
		ev       *Evidence
		verdict  Verdict
		rule     string
	}
	repair := &Evidence{Flags: Repair | Owned}
	for _, test := range []struct {
		name         string
		m            Machine
		steps        []step
		midLife, gap bool
	}{
		{"met mid-life: the edge is still judged", Machine{}, []step{
			{Established, CloseWait, false, nil, Normal, "fin-received"},
			{CloseWait, LastAck, false, nil, Normal, "passive-close"}}, true, false},
		{"met mid-life by an impossible edge", Machine{}, []step{
			{Established, SynSent, false, nil, Impossible, "undocumented-edge"},
			{SynSent, Established, false, nil, Normal, "syn-ack-received"}}, true, false},
		{"found by an inventory", Found(Established), []step{
			{Established, FinWait1, false, nil, Normal, "active-close"}}, true, false},
		{"found bound, then connected: the birth is seen", Found(BoundInactive), []step{
			{Close, SynSent, false, nil, Normal, "active-open"}}, false, false},
		{"found as a mini-socket, then its memory is another socket", Found(TimeWait), []step{
			{Listen, SynRecv, false, nil, Normal, "passive-child-born"}}, false, false},
		{"continuity broken without loss, judged again after", Found(Established), []step{
			{CloseWait, LastAck, false, nil, Impossible, "continuity"},
			{LastAck, Close, false, nil, Normal, "last-ack-ended"}}, true, false},
		{"continuity broken after loss, judged again after", Found(Established), []step{
			{CloseWait, LastAck, true, nil, Unjudged, "events-lost"},
			{LastAck, Close, false, nil, Normal, "last-ack-ended"}}, true, true},
		{"loss elsewhere does not matter", Found(Established), []step{
			{Established, CloseWait, true, nil, Normal, "fin-received"}}, true, false},
		{"an undocumented edge stays impossible after loss", Found(Established), []step{
			{FinWait2, LastAck, true, nil, Impossible, "undocumented-edge"}}, true, true},
		{"a listener does not become its child", Found(Listen), []step{
			{Listen, SynRecv, false, nil, Impossible, "born-twice"}}, true, false},
		{"a pointer used again, its end was lost", Found(Listen), []step{
			{Listen, SynRecv, true, nil, Unjudged, "events-lost"}}, true, true},
		{"connect on a socket that is alive", Found(Established), []step{
			{Close, SynSent, false, nil, Impossible, "born-twice"}}, true, false},
		{"a child is a new socket, even of a closed one", Found(Close), []step{
			{Close, SynRecv, false, nil, Impossible, "born-twice"}}, true, false},
		{"a new life forgets the gap of the last", Found(Established), []step{
			{FinWait1, Close, true, nil, Unjudged, "events-lost"},
			{Close, SynSent, false, nil, Normal, "active-open"}}, false, false},
		{"TCP_REPAIR", Machine{}, []step{
			{Close, SynSent, false, nil, Normal, "active-open"},
			{SynSent, Established, false, repair, Notable, "repair-connect"}}, false, false},
		{"SYN-ACK in the backlog of connect()", Machine{}, []step{
			{Close, SynSent, false, &Evidence{Flags: Owned}, Normal, "active-open"},
			{SynSent, Established, false, &Evidence{Flags: Owned}, Normal, "syn-ack-received"}}, false, false},
		{"never stored", Found(FinWait2), []step{
			{FinWait2, TimeWait, false, nil, Impossible, "never-stored-state"},
			{FinWait2, Close, false, nil, Normal, "time-wait-handover"}}, true, false},
		{"not a state", Machine{}, []step{
			{0, Established, false, nil, Impossible, "unknown-state"},
			{Established, 200, false, nil, Impossible, "unknown-state"}}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := test.m
			for _, s := range test.steps {
				if j := m.Step(s.from, s.to, s.loss, s.ev); j.Verdict != s.verdict || j.Rule.String() != s.rule {
					t.Errorf("%s->%s: want %s %s, got %s %s", s.from, s.to, s.verdict, s.rule, j.Verdict, j.Rule)
				}
			}
			if m.MidLife() != test.midLife || m.Gap() != test.gap {
				t.Errorf("want mid-life %v and gap %v, got %v and %v", test.midLife, test.gap, m.MidLife(), m.Gap())
			}
		})
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	var m Machine
	ev := &Evidence{Flags: Owned}
	var why string
	if n := testing.AllocsPerRun(1000, func() {
		m.Step(Close, SynSent, false, ev)
		why = m.Step(SynSent, Established, false, ev).Why()
		m.Step(SynSent, 99, true, nil)
		m = Machine{}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	_ = why
}

func TestMachineIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Machine{}); n > 24 { // four numbers, and what is known of them
		t.Errorf("%d bytes, want a few", n)
	}
}

func BenchmarkStep(b *testing.B) {
	life := []State{Close, SynSent, Established, FinWait1, FinWait2, Close}
	ev := &Evidence{Flags: Owned}
	var m Machine
	for i := 0; b.Loop(); i++ {
		at := i % (len(life) - 1)
		m.Step(life[at], life[at+1], false, ev)
	}
}
