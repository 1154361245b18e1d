package model

import (
	"math/rand/v2"
	"testing"
)

// end is one end of a connection as the kernel keeps it, with the fields that Numbers
// reads: it moves through its states as tcp_input.c and tcp.c do.
type end struct {
	t       *testing.T
	machine Machine
	ev      Evidence
	state   State
	x, y    uint32
	change  func(*Evidence) // what is wrong with the next event
	rule    Rule
}

func (e *end) to(s State) *end {
	e.t.Helper()
	ev := e.ev
	if e.change != nil {
		e.change(&ev)
		e.change = nil
	}
	j := e.machine.Step(e.state, s, false, &ev)
	if j.Verdict == Impossible && e.rule == RuleNone {
		e.rule = j.Rule
	}
	e.state = s
	return e
}

func (e *end) connects() *end {
	e.to(SynSent)
	e.ev.SndUna, e.ev.SndNxt, e.ev.WriteSeq = e.x, e.x+1, e.x+1
	return e
}

// established: the SYN-ACK came.
func (e *end) established() *end {
	e.acks(1)
	e.ev.RcvNxt, e.ev.CopiedSeq = e.y+1, e.y+1
	return e.to(Established)
}

// accepts: a child, whose handshake is over.
func (e *end) accepts() *end {
	e.state = Listen
	e.to(SynRecv)
	e.ev = Evidence{SndUna: e.x + 1, SndNxt: e.x + 1, WriteSeq: e.x + 1, RcvNxt: e.y + 1, CopiedSeq: e.y + 1}
	return e.to(Established)
}

// acks: the peer acknowledges.
func (e *end) acks(n uint32) *end {
	e.ev.SndUna += n
	e.ev.BytesAcked += uint64(n)
	return e
}

// sends queues and sends.
func (e *end) sends(n uint32) *end {
	e.ev.WriteSeq += n
	e.ev.SndNxt = e.ev.WriteSeq
	return e
}

func (e *end) receives(n uint32) *end {
	e.ev.RcvNxt += n
	e.ev.BytesReceived += uint64(n)
	return e
}

// closes: the FIN takes its number after the event.
func (e *end) closes(to State) *end { return e.to(to).sends(1) }

var lives = map[string]func(e *end){
	"active, and closes first": func(e *end) {
		e.connects().established().sends(1000).receives(70000).acks(1000).closes(FinWait1)
		e.acks(1).to(FinWait2).receives(1)
		e.ev.Flags |= Done
		e.to(Close)
	},
	"passive, and closes last": func(e *end) {
		e.accepts().receives(5).sends(100).acks(100).receives(1)
		e.to(CloseWait).closes(LastAck).acks(1).to(Close)
	},
	"simultaneous close": func(e *end) {
		e.accepts().closes(FinWait1).receives(1)
		e.to(Closing).acks(1).to(Close)
	},
	"simultaneous open": func(e *end) {
		e.connects().to(SynRecv)
		e.ev.RcvNxt = e.y + 1
		e.acks(1).to(Established).receives(1).to(CloseWait)
	},
	"half-close, and data comes on": func(e *end) {
		e.connects().established().closes(FinWait1).receives(9).acks(1).to(FinWait2).receives(3000).to(FinWait2)
		e.receives(1)
		e.ev.Flags |= Done
		e.to(Close)
	},
	"a FIN that found no memory": func(e *end) {
		e.accepts().to(FinWait1).to(FinWait2)
	},
	"connects again": func(e *end) {
		e.connects().established().closes(FinWait1).to(Close)
		e.x, e.y = e.x+123456, e.y-99
		e.ev = Evidence{}
		e.connects().established()
	},
}

// RFC 9293 3.4 and 3.6: each SYN and each FIN takes one number, from wherever the
// numbers begin.
func TestNumbers(t *testing.T) {
	for name, live := range lives {
		t.Run(name, func(t *testing.T) {
			for _, x := range []uint32{0, 1, 1 << 31, ^uint32(0), ^uint32(0) - 1000} {
				for _, y := range []uint32{5, ^uint32(0), ^uint32(0) - 70000} {
					e := &end{t: t, state: Close, x: x, y: y}
					live(e)
					n := &e.machine.Numbers
					if e.rule != RuleNone {
						t.Fatalf("%d, %d: %s", x, y, e.rule)
					}
					if !n.Has(HasISS|HasIRS) || n.ISS != e.x || n.IRS != e.y {
						t.Errorf("%d, %d: %+v", x, y, n)
					}
					if n.Has(HasFIN) && e.ev.WriteSeq != n.FIN+1 && e.ev.WriteSeq != n.FIN {
						t.Errorf("%d, %d: our FIN %d, write_seq %d", x, y, n.FIN, e.ev.WriteSeq)
					}
					if n.Has(HasPeerFIN) && e.ev.RcvNxt != n.PeerFIN+1 {
						t.Errorf("%d, %d: the peer's FIN %d, rcv_nxt %d", x, y, n.PeerFIN, e.ev.RcvNxt)
					}
				}
			}
		})
	}
}

// Each number that is altered at one event is called what it is.
func TestNumbersThatChange(t *testing.T) {
	for name, c := range map[string]struct {
		live func(e *end)
		rule Rule
	}{
		"our SYN": {func(e *end) {
			e.connects().established()
			e.change = func(ev *Evidence) { ev.SndUna++ }
			e.closes(FinWait1)
		}, RuleISSChanged},
		"the peer's SYN": {func(e *end) {
			e.accepts()
			e.change = func(ev *Evidence) { ev.BytesReceived++ }
			e.receives(1).to(CloseWait)
		}, RuleIRSChanged},
		"data behind our FIN": {func(e *end) {
			e.accepts().closes(FinWait1).sends(1)
			e.to(FinWait1)
		}, RuleFINChanged},
		"FIN_WAIT2, and our FIN is not acknowledged": {func(e *end) {
			e.accepts().sends(10).closes(FinWait1).acks(3).to(FinWait2)
		}, RuleFINAcked},
		"CLOSING, and our FIN is acknowledged": {func(e *end) {
			e.accepts().closes(FinWait1).acks(1).receives(1).to(Closing)
		}, RuleFINAcked},
		"data behind the peer's FIN": {func(e *end) {
			e.accepts().receives(1).to(CloseWait).receives(1).closes(LastAck)
		}, RulePeerFINChanged},
	} {
		t.Run(name, func(t *testing.T) {
			e := &end{t: t, state: Close, x: 7, y: ^uint32(0)}
			c.live(e)
			if e.rule != c.rule {
				t.Errorf("%s, want %s", e.rule, c.rule)
			}
		})
	}
}

// Nothing is said of numbers that cannot be read: met mid-life, after a loss, set by
// hand, or not told of.
func TestNumbersThatCannotBeRead(t *testing.T) {
	nonsense := func(r *rand.Rand) *Evidence {
		return &Evidence{SndUna: r.Uint32(), WriteSeq: r.Uint32(), RcvNxt: r.Uint32(), BytesAcked: r.Uint64(), BytesReceived: r.Uint64()}
	}
	course := []State{Close, SynSent, Established, FinWait1, FinWait2, Close}
	for name, play := range map[string]func(m *Machine, step int, ev *Evidence) (loss bool){
		"met mid-life": func(m *Machine, step int, _ *Evidence) bool {
			if step == 0 {
				*m = Found(Established)
			}
			return false
		},
		"after a loss": func(_ *Machine, step int, _ *Evidence) bool { return step == 2 },
		"TCP_REPAIR": func(_ *Machine, step int, ev *Evidence) bool {
			if step == 2 {
				ev.Flags |= Repair
			}
			return false
		},
		"not told of": func(m *Machine, step int, _ *Evidence) bool {
			if step == 0 {
				m.Numbers.Ignore()
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for range 100 {
				var m Machine
				for step := range len(course) - 1 {
					if name == "met mid-life" && step < 2 {
						step = 2
					}
					ev := nonsense(r)
					loss := play(&m, step, ev)
					if name == "after a loss" && step < 2 || name == "TCP_REPAIR" && step < 2 {
						*ev = Evidence{}
					}
					if name == "met mid-life" && step == 2 {
						m = Found(course[step])
					}
					if j := m.Step(course[step], course[step+1], loss, ev); j.Verdict == Impossible {
						t.Fatalf("%s > %s: %s", course[step], course[step+1], j.Rule)
					}
				}
				if m.Numbers.Has(HasFIN) && name != "TCP_REPAIR" {
					t.Errorf("%+v", m.Numbers)
				}
			}
		})
	}
}

func BenchmarkStepWithNumbers(b *testing.B) {
	var m Machine
	ev := Evidence{SndUna: 11, BytesAcked: 1, RcvNxt: 21, WriteSeq: 11}
	b.ReportAllocs()
	for b.Loop() {
		m.Step(Close, SynSent, false, &ev)
		m.Step(SynSent, Established, false, &ev)
		m.Step(Established, CloseWait, false, &ev)
		m.Step(CloseWait, LastAck, false, &ev)
		m.Step(LastAck, Close, false, &ev)
	}
}
