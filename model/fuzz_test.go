package model

import "testing"

// FuzzParseState: whatever is accepted prints as something that is accepted.
func FuzzParseState(f *testing.F) {
	for _, seed := range []string{"", "ESTABLISHED", "close-wait", "TCP_FIN_WAIT1", "fin-wait-1", "SYN-RECV", "estab", "unknown(0)", "ſyn_sent", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s, ok := ParseState(name)
		if !ok {
			return
		}
		if back, ok := ParseState(s.String()); !ok || back != s {
			t.Errorf("%q is %s, which is %s, %v", name, s, back, ok)
		}
		if e, ok := Explain(name); !ok || e.Name == "" {
			t.Errorf("%q is a state and has no entry", name)
		}
	})
}

// FuzzStep: no numbers make Step panic, and its judgement can be printed.
func FuzzStep(f *testing.F) {
	f.Add(uint8(0), uint8(7), uint8(2), false, uint32(0))
	f.Add(uint8(1), uint8(255), uint8(14), true, uint32(129))
	f.Fuzz(func(t *testing.T, found, from, to uint8, loss bool, flags uint32) {
		m := Found(State(found))
		for range 2 {
			j := m.Step(State(from), State(to), loss, &Evidence{Flags: Flags(flags)})
			if j.Rule.String() == "unknown" || j.Why() == "" || j.Verdict > Impossible {
				t.Errorf("%+v", j)
			}
			if s, ok := m.State(); ok && !stored(s) {
				t.Errorf("state %s", s)
			}
		}
	})
}

// FuzzJudge: no evidence makes Judge panic; the reason, the verdict and the
// rule agree.
func FuzzJudge(f *testing.F) {
	f.Add(uint8(5), uint32(6), uint16(0), uint8(3), uint32(0), uint32(0), uint16(0), "TCP_STATE")
	f.Fuzz(func(t *testing.T, from uint8, flags uint32, err uint16, shutdown uint8, unacked, unread uint32, bits uint16, reason string) {
		bit := func(n int) bool { return bits&(1<<n) != 0 }
		e := Ending{
			From: State(from), FirstFIN: Closer(bits >> 14),
			Evidence: Evidence{Flags: Flags(flags), Err: err, Shutdown: shutdown, SndNxt: unacked, WriteSeq: unacked,
				RcvNxt: unread, Retransmits: uint8(bits), Probes: uint8(bits >> 8)},
			ResetReceived: bit(0), ResetSent: bit(1), ResetSentActive: bit(2), ResetBefore: bit(3),
			HasResetReason: bit(4), ResetReason: reason, SimultaneousClose: bit(5),
			MidLife: bit(6), Gap: bit(7), LostSince: bit(8),
		}
		c := e.Judge()
		if c.Why == "" || c.Rule.String() == "unknown" || c.Verdict == Impossible {
			t.Errorf("%+v", c)
		}
		if c.Reason == ReasonUnknown && c.Verdict != Unjudged {
			t.Errorf("judged without a reason: %+v", c)
		}
		if (e.Gap || e.MidLife) && c.Verdict != Unjudged && c.Verdict != Abnormal && c.Reason != ReasonListenEnded {
			t.Errorf("judged a life that was not seen: %+v", c)
		}
	})
}
