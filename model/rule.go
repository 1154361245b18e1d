package model

// Rule identifies what decided a judgement. Every edge is a rule, every way to
// end is one, and a few are about what was seen of a socket. The names are
// public and stable; the numbers are not.
type Rule uint16

// The rules that are neither an edge nor an ending.
const (
	RuleNone             Rule = iota
	RuleContinuity            // the last `to` is the next `from`
	RuleUndocumentedEdge      // the pair is not in the table
	RuleNeverStored           // a full socket never stores this state
	RuleUnknownState          // not a number of a state
	RuleBornTwice             // a birth on a socket that is alive
	RuleEventsLost            // continuity broke, and events were lost
	RuleBeganBefore           // met mid-life
	RuleRepairConnect         // SYN_SENT->ESTABLISHED set by hand
	RuleFinRetransmitted      // an orderly end with retransmissions of SYN or FIN
	RuleFinSimultaneous       // an orderly end, both ends at once
	RuleEndUnknown            // an end whose reason cannot be read
	RuleISSChanged            // snd_una and bytes_acked contradict our SYN's number
	RuleIRSChanged            // rcv_nxt and bytes_received contradict the peer's
	RuleFINChanged            // our FIN has another number than when it was queued
	RuleFINAcked              // the state and the acknowledgment of our FIN contradict each other
	RulePeerFINChanged        // something was received behind the peer's FIN
	numSeen
)

// ruleInfo is what is known of a rule.
type ruleInfo struct {
	name, why, section string
}

var seenRules = [numSeen]ruleInfo{
	RuleNone: {name: "unknown"},
	RuleContinuity: {name: "continuity", section: "RFC 9293 3.3.2",
		why: "The socket left a state it was not in, and no events were lost: every transition must start where the last one ended."},
	RuleUndocumentedEdge: {name: "undocumented-edge", section: "RFC 9293 3.3.2",
		why: "Neither RFC 9293 nor Linux has this transition."},
	RuleNeverStored: {name: "never-stored-state", section: "include/net/tcp_states.h, Linux 5.8",
		why: "A full socket never stores this state: it belongs to mini-sockets, request sockets or inventories."},
	RuleUnknownState: {name: "unknown-state", section: "include/net/tcp_states.h, Linux 5.8",
		why: "The number is not one of a TCP state."},
	RuleBornTwice: {name: "born-twice", section: "RFC 9293 3.10.1",
		why: "A life began on a socket that was still alive, and no events were lost."},
	RuleEventsLost: {name: "events-lost", section: "",
		why: "Events were lost in this socket's life, so what was seen cannot be judged."},
	RuleBeganBefore: {name: "began-before", section: "",
		why: "The socket was met mid-life: its beginning was not seen, so its life as a whole cannot be judged."},
	RuleRepairConnect: {name: "repair-connect", section: "tcp_connect, Linux 5.8",
		why: "The connection was restored with TCP_REPAIR: it was set to ESTABLISHED by hand, without a handshake."},
	RuleFinRetransmitted: {name: "end-fin-retransmitted", section: "RFC 9293 3.8.1",
		why: "Closed in order, but a SYN, SYN-ACK or FIN had to be sent again."},
	RuleFinSimultaneous: {name: "end-fin-simultaneous", section: "RFC 9293 3.6, figure 13",
		why: "Closed in order by both ends at once."},
	RuleEndUnknown: {name: "end-unknown", section: "",
		why: "The socket reached CLOSE and nothing that was seen says why."},
	RuleISSChanged: {name: "sequence-iss", section: "RFC 9293 3.4",
		why: "What the peer has acknowledged does not fit the sequence number that our SYN had."},
	RuleIRSChanged: {name: "sequence-irs", section: "RFC 9293 3.4",
		why: "What was received does not fit the sequence number that the peer's SYN had."},
	RuleFINChanged: {name: "sequence-fin", section: "RFC 9293 3.6",
		why: "Data was queued behind our FIN, or before it once it was queued: its sequence number is not what it was."},
	RuleFINAcked: {name: "sequence-fin-acked", section: "RFC 9293 3.10.7.4",
		why: "The state says whether the peer has acknowledged our FIN, and the sequence numbers say otherwise."},
	RulePeerFINChanged: {name: "sequence-peer-fin", section: "RFC 9293 3.6",
		why: "Something was received behind the peer's FIN, which is the last that it sends."},
}

// rules is every rule: those above, the edges, the endings, the pairings.
var rules = func() []ruleInfo {
	all := append([]ruleInfo(nil), seenRules[:]...)
	for i := range edges {
		all = append(all, ruleInfo{edges[i].Name, edges[i].Why, edges[i].Section})
	}
	for i := range endings {
		all = append(all, ruleInfo{endings[i].name, endings[i].why, endings[i].section})
	}
	for i := range timeWaitEnds {
		all = append(all, ruleInfo{timeWaitEnds[i].rule, timeWaitEnds[i].why, timeWaitEnds[i].section})
	}
	for i := PairNothing + 1; i < numPairings; i++ {
		all = append(all, ruleInfo{pairings[i].rule, pairings[i].why, pairings[i].section})
	}
	return all
}()

// edgeRule returns the rule of an edge by its number in edgeIndex, from 1.
func edgeRule(i uint8) Rule { return numSeen + Rule(i) - 1 }

// endingRule returns the rule of the i-th ending, from 0.
func endingRule(i int) Rule { return numSeen + Rule(len(edges)+i) }

// timeWaitRule returns the rule of the i-th way to end TIME_WAIT, from 0.
func timeWaitRule(i int) Rule { return endingRule(len(endings) + i) }

// pairRule returns the rule of a pairing that says something.
func pairRule(p Pairing) Rule { return timeWaitRule(len(timeWaitEnds)) + Rule(p-1) }

func (r Rule) info() *ruleInfo {
	if int(r) < len(rules) {
		return &rules[r]
	}
	return &rules[RuleNone]
}

// String returns the rule's public name, unknown if it is not a rule.
func (r Rule) String() string { return r.info().name }

// Why returns one sentence for a person.
func (r Rule) Why() string { return r.info().why }

// Section returns the section of the RFC or the kernel function behind the
// rule; empty for a rule about what was seen.
func (r Rule) Section() string { return r.info().section }

// ParseRule is the inverse of String.
func ParseRule(s string) (Rule, bool) {
	for i := int(RuleNone) + 1; i < len(rules); i++ {
		if rules[i].name == s {
			return Rule(i), true
		}
	}
	return RuleNone, false
}

// Rules returns every rule.
func Rules() []Rule {
	all := make([]Rule, 0, len(rules)-1)
	for i := int(RuleNone) + 1; i < len(rules); i++ {
		all = append(all, Rule(i))
	}
	return all
}
