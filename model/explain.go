package model

import (
	"fmt"
	"strings"
	"sync"
)

// Entry explains one name that an output can print.
type Entry struct {
	Kind    string   `json:"kind"`              // what sort of name it is
	Name    string   `json:"name"`              // as outputs print it
	Summary string   `json:"summary"`           // one line
	Text    string   `json:"text"`              // what it means, what causes it, what to do; paragraphs end in a newline
	Section string   `json:"section,omitempty"` // of the RFC, or the Linux function
	See     []string `json:"see,omitempty"`     // names of related entries
}

// The kinds of entries, in the order of Entries.
const (
	KindState       = "state"
	KindVerdict     = "verdict"
	KindCloseReason = "close_reason"
	KindRule        = "rule"
	KindTimeWaitEnd = "time_wait_end"
	KindCloser      = "closed_by"
	KindRole        = "role"
	KindProvenance  = "provenance"
	KindRetransmit  = "retransmit"
	KindLossPlace   = "loss"
	KindField       = "field"
	KindWord        = "word" // used for more than one kind of thing
)

// Entries returns every identifier that any output can print, grouped by kind.
func Entries() []Entry { return append([]Entry(nil), entries()...) }

var entries = sync.OnceValue(func() []Entry {
	all := append([]Entry(nil), stateEntries...)
	all = append(all, verdictEntries...)
	all = append(all, reasonEntries...)
	for i := range edges {
		all = append(all, edges[i].entry())
	}
	for i := range endings {
		all = append(all, endingEntry(i))
	}
	all = append(all, seenEntries...)
	for i := range timeWaitEnds {
		all = append(all, timeWaitEntry(TimeWaitEnd(i)))
	}
	for p := PairNothing + 1; p < numPairings; p++ {
		all = append(all, pairEntry(p))
	}
	all = append(all, fieldEntries...)
	return append(all, wordEntries...)
})

var entryByKey = sync.OnceValue(func() map[string]int {
	index := make(map[string]int)
	for i, e := range entries() {
		index[entryKey(e.Name)] = i
	}
	return index
})

// entryKey makes the spellings of a name one.
func entryKey(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
}

// Explain finds the entry of a name, in upper or lower case, with dashes or
// underscores. States may be spelled as ParseState reads them.
func Explain(name string) (Entry, bool) {
	if i, ok := entryByKey()[entryKey(name)]; ok {
		return entries()[i], true
	}
	if s, ok := ParseState(strings.TrimSpace(name)); ok {
		return entries()[entryByKey()[entryKey(s.String())]], true
	}
	return Entry{}, false
}

var originTexts = [...]string{
	OriginRFC:   "It is an arrow of RFC 9293 figure 5",
	OriginText:  "It is in the text of RFC 9293, which leaves it out of figure 5",
	OriginLinux: "It is a refinement of Linux, not an arrow of the RFC",
}

// entry explains the rule that is an edge.
func (e *Edge) entry() Entry {
	var text strings.Builder
	fmt.Fprintf(&text, "The transition %s -> %s; by itself it is %s. %s.\n", e.From, e.To, e.Verdict, originTexts[e.Origin])
	if e.To == Close && !e.HandOver && e.From != Listen && e.From != Close {
		text.WriteString("Why the connection ended is judged apart, in the `closed` line: see its close_reason.\n")
	}
	if e.HandOver {
		text.WriteString("A full socket never stores TIME_WAIT: Linux makes a small mini-socket, which waits, and closes the full one. The connection has normally ended well; the close_reason says if it has not.\n")
	}
	fmt.Fprintf(&text, "Caused by: %s. In Linux: %s. Known from: %s.\n", strings.Join(e.By.Names(), ", "), e.Kernel, e.Seen)
	see := []string{e.From.String()}
	if e.To != e.From {
		see = append(see, e.To.String())
	}
	return Entry{KindRule, e.Name, e.Why, text.String(), e.Section, see}
}

// endingEntry explains the rule that is the i-th ending.
func endingEntry(i int) Entry {
	row := &endings[i]
	text := fmt.Sprintf("A way for a socket's life to end: close_reason %s, closed by %s, verdict %s.\n", row.reason, row.by, row.verdict)
	if row.absence {
		text += "It is read from what did not happen, so it is unjudged where events were lost.\n"
	}
	return Entry{KindRule, row.name, row.why, text, row.section, []string{row.reason.String()}}
}

// pairEntry explains a rule about both ends of a connection.
func pairEntry(p Pairing) Entry {
	row := &pairings[p]
	text := fmt.Sprintf("Said of two ends that are both on this host; where it lasts for %d s, %s.\n", row.patience/1e9, row.verdict) + row.linux
	var see []string
	for s := State(1); s < NumStates; s++ {
		if row.one.has(s) {
			see = append(see, s.String())
		}
	}
	return Entry{KindRule, row.rule, row.why, text, row.section, see}
}

// timeWaitEntry explains the rule of one end of a mini-socket.
func timeWaitEntry(t TimeWaitEnd) Entry {
	row := &timeWaitEnds[t]
	text := fmt.Sprintf("A way for a mini-socket to end: %s, verdict %s.\n", row.name, row.verdict) + row.linux
	return Entry{KindRule, row.rule, row.why, text, row.section, []string{row.name, "TIME_WAIT"}}
}
