package model

var stateEntries = []Entry{
	{Kind: KindState, Name: "ESTABLISHED", Section: "RFC 9293 3.3.2",
		Summary: "Open: both ends can send and receive.",
		Text: `The ordinary state of a working connection, however long it lasts. TCP sends nothing while both ends are silent, so a peer that has vanished goes unnoticed until something is sent, or until keepalive probes (SO_KEEPALIVE) find out.
Many idle ones: look at the connection pools of the owner.
`, See: []string{"timeout_keepalive", "timeout_retransmit"}},
	{Kind: KindState, Name: "SYN_SENT", Section: "RFC 9293 3.3.2, 3.10.7.3",
		Summary: "connect() was called; no answer to our SYN yet.",
		Text: `Lasts one round trip when all is well. Sockets that stay here get no answer: the address is wrong, the peer is down, or a firewall on the way drops the SYN. Linux sends the SYN again after 1, 2, 4 ... seconds and gives up after about two minutes (net.ipv4.tcp_syn_retries).
`, See: []string{"timeout_syn", "refused", "unreachable", "handshake_abandoned"}},
	{Kind: KindState, Name: "SYN_RECV", Section: "RFC 9293 3.3.2, 3.10.7.4",
		Summary: "Both SYNs are exchanged; the peer has yet to acknowledge ours.",
		Text: `A new server socket passes through here in an instant: Linux makes it only when the handshake is done, and keeps the half-open connection as a request socket until then (NEW_SYN_RECV). It stays here longer only with TCP Fast Open or a simultaneous open.
`, See: []string{"NEW_SYN_RECV", "passive-child-born", "simultaneous-open"}},
	{Kind: KindState, Name: "FIN_WAIT1", Section: "RFC 9293 3.3.2, 3.10.7.4",
		Summary: "We closed first; the peer has not acknowledged our FIN yet.",
		Text: `Lasts one round trip when all is well. The FIN goes behind all unsent data, so a peer that has stopped reading, or is gone, keeps the socket here: watch for unacknowledged bytes in its send queue. The kernel gives an orphan up after a few retries (net.ipv4.tcp_orphan_retries).
`, See: []string{"FIN_WAIT2", "timeout_orphan"}},
	{Kind: KindState, Name: "FIN_WAIT2", Section: "RFC 9293 3.3.2, 3.10.7.4",
		Summary: "We closed, the peer knows; it has not closed yet.",
		Text: `Our FIN is acknowledged, the peer can still send. If the application has called close(), Linux lets a mini-socket wait for the peer's FIN, for 60 s by default (net.ipv4.tcp_fin_timeout); after shutdown() alone it waits as long as the application does.
Many of them: the peer's application is not closing. It has the same connections in CLOSE_WAIT.
`, See: []string{"CLOSE_WAIT", "TIME_WAIT", "time-wait-handover"}},
	{Kind: KindState, Name: "TIME_WAIT", Section: "RFC 9293 3.6.1, 3.10.8; RFC 1337",
		Summary: "Closed in order; the ports are kept for a minute so that late segments find no new connection.",
		Text: `This is normal, and good: the end that closes first waits here, 60 s in Linux, in a mini-socket that costs little memory and belongs to no process. A busy client or proxy has thousands.
It is a problem only when a client runs out of local ports to one destination: then reuse connections (keep-alive, pools), spread over more addresses, widen net.ipv4.ip_local_port_range, or see net.ipv4.tcp_tw_reuse. Do not shorten it by resets.
A full socket never stores this state: it goes to CLOSE as the mini-socket takes over.
`, See: []string{"time-wait-handover", "FIN_WAIT2", "expired", "assassinated", "overflow"}},
	{Kind: KindState, Name: "CLOSE", Section: "RFC 9293 3.3.2",
		Summary: "No connection: not yet, or no longer.",
		Text: `Every socket begins and ends here. A socket that has ended and is still held by a file descriptor stays: the application has not noticed, or not called close(). Neither ss nor /proc lists such a socket, yet it uses up a descriptor; inventories say held.
Why a connection ended is its close_reason.
`, See: []string{"held", "reset_by_peer", "fin"}},
	{Kind: KindState, Name: "CLOSE_WAIT", Section: "RFC 9293 3.3.2, 3.6",
		Summary: "The peer has closed; your application has not.",
		Text: `The peer's FIN arrived, and the kernel waits for the application that owns this socket to call close(). No timer ends this wait: a socket here for minutes is a bug in that application, nearly always a connection that it forgot to close (a leak, an error path, a thread that is stuck).
Find the owner's pid and fd in the same line, see what it is doing, and restart it if descriptors run out. No kernel setting helps.
`, See: []string{"LAST_ACK", "fin-received", "FIN_WAIT2"}},
	{Kind: KindState, Name: "LAST_ACK", Section: "RFC 9293 3.3.2, 3.10.7.4",
		Summary: "The peer closed, then we did; it has not acknowledged our FIN yet.",
		Text: `Lasts one round trip when all is well. Sockets that stay here send their last data or FIN to a peer that no longer answers; the kernel gives up after a few retries.
`, See: []string{"CLOSE_WAIT", "timeout_orphan"}},
	{Kind: KindState, Name: "LISTEN", Section: "RFC 9293 3.3.2, 3.10.7.2",
		Summary: "Waiting for clients to connect.",
		Text: `A server's socket. Connections are made in sockets of their own, and wait in its accept queue until the application accepts them; when that queue is full the kernel drops new ones without a transition (listen_overflows). In an inventory RECV-Q is the length of that queue and SEND-Q its limit.
`, See: []string{"accept_queue", "syn_queue", "unaccepted", "listen_ended", "never_accepted", "listener_closed"}},
	{Kind: KindState, Name: "CLOSING", Section: "RFC 9293 3.6, figure 13",
		Summary: "Both ends closed at once; the peer has not acknowledged our FIN yet.",
		Text: `Rare and short: the FINs crossed on the way. It becomes TIME_WAIT as soon as the peer's acknowledgment arrives. Sockets that stay here have lost their peer.
`, See: []string{"simultaneous-close", "TIME_WAIT"}},
	{Kind: KindState, Name: "NEW_SYN_RECV", Section: "include/net/tcp_states.h, Linux 4.4",
		Summary: "A SYN arrived and was answered; the client has not completed the handshake.",
		Text: `A request socket: small, without a process, held by its listener. ss prints it as SYN-RECV. Inventories show it, for how long it has waited and how often its SYN-ACK was sent again (after 1, 2, 4 ... s, net.ipv4.tcp_synack_retries times); no transition is ever reported. SYN cookies leave none.
Many of them: a SYN flood, or clients whose answers do not reach this host.
`, See: []string{"syn_queue", "syn_young", "SYN_RECV", "LISTEN", "synack"}},
	{Kind: KindState, Name: "BOUND_INACTIVE", Section: "include/net/tcp_states.h, Linux 6.8",
		Summary: "Bound to a port, neither listening nor connected.",
		Text: `What the kernel's socket listing calls a CLOSE socket that has called bind(). It holds a port that others may want. No transition is ever reported with this state.
`, See: []string{"CLOSE"}},
}
