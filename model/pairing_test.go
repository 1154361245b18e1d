package model

import "testing"

func TestPair(t *testing.T) {
	const second = int64(1e9)
	for _, c := range []struct {
		name               string
		one, other         State
		gone, same, direct bool
		lasting            int64
		want               Pairing
		verdict            Verdict
	}{
		{"RFC 9293 3.6: a half-close", FinWait2, CloseWait, false, true, true, second, PairCloseAwaited, Normal},
		{"RFC 9293 3.6: and the other end never closes", FinWait2, CloseWait, false, true, true, 540 * second, PairCloseAwaited, Notable},
		{"seen from the other end it says nothing more", CloseWait, FinWait2, false, true, true, 540 * second, PairNothing, Normal},
		{"RFC 9293 3.5.1, figure 9: a SYN into an old connection", SynSent, CloseWait, false, false, true, 3 * second, PairSYNIntoOld, Notable},
		{"which may be on its way to its end", SynSent, LastAck, false, false, true, second / 2, PairNothing, Normal},
		{"a full accept queue", Established, NewSynRecv, false, true, true, 2 * second, PairNotAccepted, Notable},
		{"the last ACK is on its way", Established, NewSynRecv, false, true, true, second / 10, PairNothing, Normal},
		{"half-open", Established, 0, true, false, true, 6 * second, PairHalfOpen, Notable},
		{"half-open, and waiting for a FIN", FinWait2, 0, true, false, true, 6 * second, PairHalfOpen, Notable},
		{"the end of the other end may be on its way", Established, 0, true, false, true, second, PairNothing, Normal},
		{"after an orderly end nobody is there", TimeWait, 0, true, false, true, 50 * second, PairNothing, Normal},
		{"RFC 9293 3.5, figure 8: an old SYN", NewSynRecv, 0, true, false, true, 4 * second, PairStaleSYN, Notable},
		{"states that cannot be", Established, FinWait2, false, true, true, 6 * second, PairStates, Abnormal},
		{"of two namespaces it is notable at most", Established, FinWait2, false, true, false, 6 * second, PairStates, Notable},
		{"of two connections it is nothing", Established, FinWait2, false, false, true, 6 * second, PairNothing, Normal},
		{"both established", Established, Established, false, true, true, 6 * second, PairNothing, Normal},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, j := Pair(c.one, c.other, c.gone, c.same, c.direct, c.lasting)
			if got != c.want || j.Verdict != c.verdict || j.Rule.String() != ruleOf(c.want) {
				t.Errorf("%v and %v: %q, %+v; want %q, %v", c.one, c.other, got, j, c.want, c.verdict)
			}
		})
	}
}

func ruleOf(p Pairing) string {
	if p == PairNothing {
		return RuleNone.String()
	}
	return p.String()
}

// Whatever can coexist, and lasts, is not called wrong.
func TestPairsThatCoexistAreNeverAbnormal(t *testing.T) {
	for _, a := range States() {
		for _, b := range States() {
			_, j := Pair(a, b, false, true, true, 1e12)
			if j.Verdict >= Abnormal && Coexist(a, b) {
				t.Errorf("%v and %v: %+v, and they coexist", a, b, j)
			}
			if j.Verdict == Normal && !Coexist(a, b) {
				t.Errorf("%v and %v: nothing is said, and they cannot coexist", a, b)
			}
		}
	}
}
