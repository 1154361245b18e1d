package model

var reasonEntries = []Entry{
	{Kind: KindCloseReason, Name: "fin", Section: "RFC 9293 3.6",
		Summary: "Closed in order, with a FIN.",
		Text: `The way a connection should end. closed_by says which end closed first; that end is left with TIME_WAIT.
As the kind of a retransmit it means that a FIN was sent again.
`, See: []string{"TIME_WAIT", "end-fin-simultaneous", "end-fin-retransmitted"}},
	{Kind: KindCloseReason, Name: "reset_by_peer", Section: "RFC 9293 3.5.3, 3.10.7.4",
		Summary: "The peer, or something on the way that speaks for it, sent an RST.",
		Text: `The peer's process crashed or aborted, closed with data unread, was restarted and forgot the connection, or a firewall or load balancer cut an idle one. Data on its way may be lost.
Look at the peer at the same second. If it happens after a fixed idle time, look for a middlebox timeout and use keepalives.
`, See: []string{"reset_by_local_unread", "timeout_keepalive"}},
	{Kind: KindCloseReason, Name: "reset_by_local_linger", Section: "RFC 9293 3.10.5",
		Summary: "Your application aborted the connection: SO_LINGER 0, or TCP_LINGER2 below 0.",
		Text: `close() then sends an RST in place of a FIN, and data not yet sent is lost. Some load generators and proxies do so on purpose, to avoid TIME_WAIT.
If it is not on purpose, find the setsockopt(SO_LINGER) in the owner.
`, See: []string{"end-linger-zero", "end-linger2", "TIME_WAIT"}},
	{Kind: KindCloseReason, Name: "reset_by_local_unread", Section: "RFC 9293 3.6.1",
		Summary: "Your application closed without reading all it had received; that data was thrown away.",
		Text: `The kernel sends the peer an RST, so that it learns its data was not read; the peer may lose our last answer, too. Usual causes: a server that answers an error before it has read the request, a process that exited or crashed, a client that stops reading early.
Read to the end of the stream before close(), or shutdown(SHUT_WR) first and then drain.
`, See: []string{"reset_by_peer", "end-unread-data"}},
	{Kind: KindCloseReason, Name: "reset_by_local_other", Section: "RFC 9293 3.6.1, 3.10.5",
		Summary: "This host sent the RST, for another reason; the rule says which.",
		Text: `Mostly the peer sent data after your application had closed (end-data-after-close): nobody could read it any more. Also too many orphaned sockets or too little memory for TCP (see dmesg, net.ipv4.tcp_max_orphans, net.ipv4.tcp_mem), or MPTCP dropping a subflow.
`, See: []string{"end-data-after-close", "end-orphan-reset", "end-mptcp-reset"}},
	{Kind: KindCloseReason, Name: "refused", Section: "RFC 9293 3.10.7.1, 3.10.7.3",
		Summary: "The connection was refused: an RST, or an ICMP message that the port is closed.",
		Text: `The host is up and nothing listens on that port there, or a firewall rejects. Check that the service runs, on the address and port you think, and that it has not just been restarted.
`, See: []string{"unreachable", "timeout_syn"}},
	{Kind: KindCloseReason, Name: "unreachable", Section: "RFC 9293 3.9.2.2",
		Summary: "The network reported that the peer cannot be reached.",
		Text: `An ICMP message, or no answer to ARP or neighbour discovery: the host is down, the address does not exist, a route is missing, or a firewall rejects. The error is in evidence.err: 113 no route to host, 101 network unreachable.
`, See: []string{"refused", "timeout_syn"}},
	{Kind: KindCloseReason, Name: "timeout_syn", Section: "RFC 9293 3.8.3",
		Summary: "Nobody answered the handshake.",
		Text: `The peer is down, the address is wrong, or a firewall drops silently; a listener whose queues are full looks the same. retransmits counts how often the SYN was sent.
`, See: []string{"SYN_SENT", "unreachable"}},
	{Kind: KindCloseReason, Name: "timeout_retransmit", Section: "RFC 9293 3.8.1, 3.8.3",
		Summary: "The peer stopped acknowledging what we sent, or never opened its window again.",
		Text: `The peer or the path died while data was under way: a crash, a pulled cable, a firewall or NAT that forgot the connection. It takes about 15 minutes by default (net.ipv4.tcp_retries2), less with TCP_USER_TIMEOUT.
`, See: []string{"timeout_keepalive", "end-zero-window"}},
	{Kind: KindCloseReason, Name: "timeout_keepalive", Section: "RFC 9293 3.8.4",
		Summary: "The connection was idle, and the peer answered no keepalive probe.",
		Text: `The peer vanished without closing: powered off, suspended, moved, or cut off by a NAT or firewall that forgot the idle connection. SO_KEEPALIVE did its work and freed the socket.
`, See: []string{"timeout_retransmit"}},
	{Kind: KindCloseReason, Name: "timeout_orphan", Section: "RFC 9293 3.8.3; tcp_orphan_retries, Linux 5.8",
		Summary: "Your application had closed; the peer never finished, and the kernel gave the rest up.",
		Text: `An orphan is a socket that no process holds any more while its last data, its FIN or the peer's FIN is outstanding. Usually the peer is gone; rarely there are too many orphans (net.ipv4.tcp_max_orphans). The last bytes may not have arrived.
`, See: []string{"FIN_WAIT1", "LAST_ACK", "reset_by_local_other"}},
	{Kind: KindCloseReason, Name: "handshake_abandoned", Section: "RFC 9293 3.10.4",
		Summary: "Given up on this side before the connection was established.",
		Text: `The application's own connect timeout was shorter than the kernel's, it raced several addresses and another one won (happy eyeballs), or it exited. With rule end-connect-failed connect() itself could not go on: most often no local port was free.
`, See: []string{"timeout_syn", "end-connect-failed"}},
	{Kind: KindCloseReason, Name: "never_accepted", Section: "RFC 9293 3.10.7.2",
		Summary: "A newborn server socket was dropped before it reached the accept queue.",
		Text: `The kernel made it and could not keep it: a twin for the same handshake was faster, its listener was just going away, or memory ran out. Harmless when rare.
`, See: []string{"listener_closed", "LISTEN"}},
	{Kind: KindCloseReason, Name: "listener_closed", Section: "inet_csk_listen_stop, Linux 5.8",
		Summary: "The connection was waiting to be accepted when its listener was closed; the client got an RST.",
		Text: `What clients see when a server is restarted or crashes under load: they were connected, and nobody ever served them. To restart without it, stop taking new connections first, accept what is queued, then close; or use net.ipv4.tcp_migrate_req with SO_REUSEPORT.
`, See: []string{"listen_ended", "never_accepted"}},
	{Kind: KindCloseReason, Name: "killed", Section: "tcp_abort, Linux 5.8",
		Summary: "Destroyed from outside its application.",
		Text: `By ss -K, a BPF program (bpf_sock_destroy) or a kernel service; actor says which process did it. The application sees ECONNABORTED, the peer an RST.
As the end of a mini-socket: it was removed the same way.
`, See: []string{"kernel"}},
	{Kind: KindCloseReason, Name: "disconnected", Section: "RFC 9293 3.10.5",
		Summary: "Your application dissolved the connection and kept the socket.",
		Text: `connect() with the family AF_UNSPEC aborts a connection and makes the socket ready for another one; rare. A close in TCP_REPAIR mode (checkpoint and restore) counts as this, too.
`, See: []string{"reset_by_local_linger", "repair-connect"}},
	{Kind: KindCloseReason, Name: "listen_ended", Section: "RFC 9293 3.10.4",
		Summary: "A listener stopped listening.",
		Text: `It was closed or shut down, its process exited, or listen() lost the port to another socket. Connections it had not accepted yet end as listener_closed.
`, See: []string{"listener_closed", "LISTEN"}},
}
