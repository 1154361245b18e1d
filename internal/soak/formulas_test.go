package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// account is all that the formulas are about.
type account struct {
	*ledger
	testimony
	kernel counters
}

// formula is what some of the kernel's counters must add up to.
type formula struct {
	counters string // with " + " between them
	is       string // in words, for docs/model.md
	model    func(*account) (low, high int)
}

// These are no counters: the kernel's own tracing tells them.
const (
	miniResets  = "RSTs that mini-sockets sent"
	retransmits = "retransmits, of one segment or more"
)

// formulas are read in Linux 6.18: each place that increments a counter.
var formulas = []formula{
	{"ActiveOpens", "lives that began in SYN_SENT, less `end-connect-failed`: no SYN was sent", func(a *account) (int, int) {
		return exactly(a.count(func(k kind) bool { return k.first == "SYN_SENT" && k.rule != "end-connect-failed" }))
	}},
	{"PassiveOpens", "lives that began in SYN_RECV", func(a *account) (int, int) {
		return exactly(a.count(func(k kind) bool { return k.first == "SYN_RECV" }))
	}},
	{"CurrEstab", "0, when every program has ended", func(*account) (int, int) { return exactly(0) }},
	{"EstabResets", "lives that went to CLOSE from ESTABLISHED or CLOSE_WAIT", func(a *account) (int, int) {
		return exactly(a.count(func(k kind) bool { return k.last == "ESTABLISHED" || k.last == "CLOSE_WAIT" }))
	}},
	{"AttemptFails", "lives that went to CLOSE from SYN_SENT or SYN_RECV with an error, and EmbryonicRsts, the requests that an RST ended; of `never_accepted` some or none", func(a *account) (int, int) {
		failed := func(k kind) bool { return (k.last == "SYN_SENT" || k.last == "SYN_RECV") && k.err }
		n := a.count(failed) + a.kernel["EmbryonicRsts"]
		return n, n + a.count(func(k kind) bool { return k.reason == "never_accepted" })
	}},
	{"TCPAbortOnClose", "`reset_by_local_unread`", func(a *account) (int, int) {
		return exactly(a.count(func(k kind) bool { return k.reason == "reset_by_local_unread" }))
	}},
	{"TCPAbortOnData + TCPAbortOnLinger", "`end-linger-zero`, `end-data-after-close`, `end-linger2`, and `handshake_abandoned` by close() with SO_LINGER 0", func(a *account) (int, int) {
		return exactly(a.count(func(k kind) bool {
			return k.rule == "end-linger-zero" || k.rule == "end-data-after-close" || k.rule == "end-linger2" ||
				k.last == "SYN_SENT" && k.closing && k.linger0 && !k.err
		}))
	}},
	{"TCPAbortOnLinger", "of `end-linger2` all or some: a segment that finds FIN_WAIT2 counts in TCPAbortOnData", func(a *account) (int, int) {
		return 0, a.count(func(k kind) bool { return k.rule == "end-linger2" })
	}},
	{"TCPAbortOnTimeout", "`timeout_…`, less `end-fin-wait2-timeout` and `end-orphan-dropped`; of `unreachable` some or none", func(a *account) (int, int) {
		n := a.count(timedOut)
		return n, n + a.count(func(k kind) bool { return k.reason == "unreachable" })
	}},
	{"TCPAbortOnMemory + TCPAbortFailed", "`end-orphan-reset`, `end-orphan-dropped`", func(a *account) (int, int) {
		return exactly(a.count(func(k kind) bool { return k.rule == "end-orphan-reset" || k.rule == "end-orphan-dropped" }))
	}},
	{retransmits, "`retransmit` lines", func(a *account) (int, int) {
		return exactly(a.ledger.sentAgain("") + a.ledger.sentAgain("failed") + a.testimony.sentAgain(false))
	}},
	{"RetransSegs", "`retransmit` lines, those of kind `data` of one segment or two, as 64 KiB are on loopback; of those with `err` some or none", func(a *account) (int, int) {
		n := a.ledger.sentAgain("") + a.testimony.sentAgain(false)
		return n, n + a.ledger.sentAgain("", "data") + a.ledger.sentAgain("failed")
	}},
	{"TCPSynRetrans", "the same of kind `syn` and `synack`", func(a *account) (int, int) {
		n := a.ledger.sentAgain("", "syn", "synack") + a.testimony.sentAgain(true)
		return n, n + a.ledger.sentAgain("failed", "syn", "synack")
	}},
	{"TCPTimeouts + TCPFastRetrans + TCPSlowStartRetrans", "`retransmit` lines, less those of TCPLossProbes, of which some sent new data; and `end-syn-timeout`, `end-retransmit-timeout`, `end-orphan-timeout`, which a timer ended in place of sending again", func(a *account) (int, int) {
		n := a.ledger.sentAgain("") + a.ledger.sentAgain("failed") + a.testimony.sentAgain(false) + a.count(func(k kind) bool {
			return k.rule == "end-syn-timeout" || k.rule == "end-retransmit-timeout" || k.rule == "end-orphan-timeout"
		})
		return n - a.kernel["TCPLossProbes"], n
	}},
	{"TW + TWKilled + TCPTimeWaitOverflow", "`fin` from FIN_WAIT2 or CLOSING: each leaves a mini-socket, or found no room for one", func(a *account) (int, int) {
		return exactly(a.count(func(k kind) bool { return k.reason == "fin" && (k.last == "FIN_WAIT2" || k.last == "CLOSING") }))
	}},
	{"TCPTimeWaitOverflow", "`time_wait` lines with `overflow`", func(a *account) (int, int) { return exactly(a.minis["overflow"]) }},
	{"TWRecycled", "of `time_wait` lines with `reused` some: the others made way for a SYN", func(a *account) (int, int) { return 0, a.minis["reused"] }},
	{miniResets, "`time_wait` lines with `data_after_close`", func(a *account) (int, int) { return exactly(a.minis["data_after_close"]) }},
	{"OutRsts", "`reset` lines with `sent`, and those of no full socket, as the kernel's own tracing tells them", func(a *account) (int, int) {
		n := a.resets
		for _, times := range a.homeless {
			n += times
		}
		return exactly(n)
	}},
}

func exactly(n int) (low, high int) { return n, n }

// timedOut reports whether a timer found that nobody answers.
func timedOut(k kind) bool {
	return strings.HasPrefix(k.reason, "timeout_") && k.rule != "end-fin-wait2-timeout" && k.rule != "end-orphan-dropped"
}

// counted is a formula's outcome.
type counted struct {
	formula
	low, high, kernel int
}

func (a *account) counted() (all []counted) {
	for _, f := range formulas {
		c := counted{formula: f}
		c.low, c.high = f.model(a)
		for _, name := range strings.Split(f.counters, " + ") {
			c.kernel += a.kernel[name]
		}
		all = append(all, c)
	}
	return all
}

// off is by how much the kernel's number is out of bounds.
func (c *counted) off() int {
	return max(c.low-c.kernel, c.kernel-c.high, 0)
}

// bounds shows what the lives say.
func (c *counted) bounds() string {
	if c.low == c.high {
		return fmt.Sprint(c.low)
	}
	return fmt.Sprint(c.low, " to ", c.high)
}

// slack is how many events the formulas may miss: what was lost, as told, and what was
// hidden, but for the retransmits, which they count.
func (a *account) slack() int {
	return a.losses() + len(a.hidden) - a.testimony.sentAgain(false)
}

// wrong returns what does not add up.
func (a *account) wrong() (all []string) {
	for _, c := range a.counted() {
		if c.off() > a.slack() {
			all = append(all, fmt.Sprintf("%s: %s by the lives, and the kernel counts %d", c.counters, c.bounds(), c.kernel))
		}
	}
	if senders := a.unexplained(a.homeless); len(senders) > a.slack() {
		all = append(all, fmt.Sprintf("%d were ended by an RST that nobody sent: %v", len(senders), senders))
	}
	return all
}

// abnormal returns the kinds of lives that were called so.
func (a *account) abnormal() (all []kind) {
	for k := range a.lives {
		if k.verdict == "abnormal" {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(x, y kind) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
	return all
}

// wrongWith is wrong if one of the ends in order had been called of another kind.
func (a *account) wrongWith(k kind) []string {
	b := *a
	l := *a.ledger
	l.lives, l.reset = maps.Clone(a.lives), maps.Clone(a.reset)
	b.ledger = &l
	for was := range l.lives {
		if was.verdict == "normal" && was.first == k.first && was.last == "LAST_ACK" {
			l.lives[was]--
			break
		}
	}
	l.lives[k]++
	if byRST(k) {
		l.reset[tuple{}]++ // a connection on which no RST was sent
	}
	return b.wrong()
}
