package model

var verdictEntries = []Entry{
	{Kind: KindVerdict, Name: "unjudged",
		Summary: "Not enough was seen to say.",
		Text: `No accusation. The socket was met mid-life, or events were lost; why says which. To see whole lives, start tcpwatch before the connection opens; if events are lost, watch less (a filter) or give it more room.
`, See: []string{"began-before", "events-lost"}},
	{Kind: KindVerdict, Name: "normal", Section: "RFC 9293",
		Summary: "Documented, and the ordinary course.",
		Text:    "Nothing to do.\n", See: []string{"notable"}},
	{Kind: KindVerdict, Name: "notable", Section: "RFC 9293",
		Summary: "Documented, and worth a look.",
		Text: `Correct TCP that is rare, or that costs something: a simultaneous open or close, a handshake that was sent again, an application that aborts its own connection. One means nothing; many may.
`, See: []string{"normal", "abnormal"}},
	{Kind: KindVerdict, Name: "abnormal", Section: "RFC 9293",
		Summary: "Documented as an error path: a reset, a timeout, data thrown away.",
		Text: `TCP worked as it is specified, and somebody's connection did not. The close_reason says whose fault to suspect first: the peer's, the network's, or your application's.
`, See: []string{"reset_by_peer", "timeout_retransmit", "reset_by_local_unread"}},
	{Kind: KindVerdict, Name: "impossible", Section: "RFC 9293 3.3.2",
		Summary: "Not in the machine: no correct kernel does this.",
		Text: `A bug in the kernel, in a module that offloads TCP, in memory, or in tcpwatch. Keep a recording (tcpwatch record), note the kernel version and its modules, and report it.
`, See: []string{"undocumented-edge", "continuity", "unjudged"}},
}

var seenEntries = []Entry{
	seenEntry(RuleContinuity, `What tcpwatch knew of the socket and what the kernel said of it disagree. Where events are lost this is expected, and is called events-lost; here no loss was counted.
`, "events-lost", "impossible"),
	seenEntry(RuleUndocumentedEdge, `See "tcpwatch model" for every transition there is. One event carries both states, so lost events cannot explain it.
`, "impossible"),
	seenEntry(RuleNeverStored, `TIME_WAIT, NEW_SYN_RECV and BOUND_INACTIVE exist in inventories; a transition from or to them cannot come from a correct kernel.
`, "TIME_WAIT", "NEW_SYN_RECV", "BOUND_INACTIVE"),
	seenEntry(RuleUnknownState, `A newer kernel may have a state that this tcpwatch does not know, or a recording is damaged.
`, "impossible"),
	seenEntry(RuleBornTwice, `A socket begins by listen(), by connect(), or as the child of a listener. It can begin again only after it has ended, and a child is always a new socket.
`, "active-open", "listen-started", "passive-child-born"),
	seenEntry(RuleEventsLost, `The stream has a hole: a "lost" line says how many events are missing, and where. The socket is judged again from here on, but its life as a whole is not.
`, "unjudged", "ring", "nested"),
	seenEntry(RuleBeganBefore, `Ordinary for every connection that is older than tcpwatch. Its transitions are judged one by one, and an abnormal end is still reported.
`, "unjudged"),
	seenEntry(RuleRepairConnect, `Checkpoint and restore tools (CRIU) and live migration do this. It is correct where it is expected.
`, "disconnected"),
	seenEntry(RuleFinRetransmitted, `The connection worked and ended well, but its handshake or its last segment was lost once or more. Many of these mean packet loss, or an overloaded listener.
`, "fin", "syn", "synack"),
	seenEntry(RuleFinSimultaneous, `The two FINs crossed on the way. It is correct, and common with protocols in which both ends know when the conversation is over.
`, "fin", "CLOSING"),
	seenEntry(RuleEndUnknown, `Often a reset or timeout whose evidence was lost, or a path of the kernel that leaves no sign.
`, "unknown"),
	seenEntry(RuleISSChanged, `The kernel counts the bytes that the peer has acknowledged, and the next one it awaits an acknowledgment of: their difference is the number of our SYN, and cannot change while the connection lives. Checked wherever the beginning was seen and nothing was lost; never of a socket that TCP_REPAIR has touched.
`, "impossible", "sequence-irs"),
	seenEntry(RuleIRSChanged, `The kernel counts the bytes that it has received in order, and knows the next one it expects: their difference is the number of the peer's SYN, and cannot change while the connection lives. Checked wherever the beginning was seen and nothing was lost; never of a socket that TCP_REPAIR has touched.
`, "impossible", "sequence-iss"),
	seenEntry(RuleFINChanged, `A FIN takes the number behind the last byte, and nothing is sent after it. The number is noted when the FIN is queued.
`, "impossible", "sequence-fin-acked"),
	seenEntry(RuleFINAcked, `FIN_WAIT1 is left for FIN_WAIT2 when the peer acknowledges our FIN, and for CLOSING when its own comes first.
`, "impossible", "FIN_WAIT2", "CLOSING"),
	seenEntry(RulePeerFINChanged, `The next byte expected stands just behind the peer's FIN, once that was received, and moves no more.
`, "impossible", "CLOSE_WAIT"),
}

func seenEntry(r Rule, text string, see ...string) Entry {
	info := &seenRules[r]
	return Entry{KindRule, info.name, info.why, text, info.section, see}
}
