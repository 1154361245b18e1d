// Package tunpeer is the TCP peer that can misbehave: it sits behind a TUN
// device in a network namespace of the test's, reads every segment that the
// kernel sends there, and forges any segment in answer. It has no timers and
// answers nothing by itself, so the kernel sees exactly what a test says, and
// nothing else.
//
// What it says of the kernel's states comes from TCP_INFO, /proc/net/tcp and
// kerneltest's Witness: it shares no code with what it is used to test.
//
// # Scripts
//
// A Script is a text with one step on each line; # begins a comment. The same
// script runs over IPv4 and IPv6. A number after seq= or ack= that has a sign
// is relative: seq to the sender's next sequence number as far as the peer
// knows it, ack to the receiver's; without a sign it is the number itself.
//
// The peer sends, at its next sequence number and acknowledging all that was
// expected so far, unless fields say otherwise:
//
//	syn               starts a connection, or answers the kernel's SYN by crossing it
//	syn again         the same SYN once more
//	synack            answers the kernel's SYN
//	ack               an empty segment
//	send "text"       data, with Go's escapes
//	fin               FIN and ACK
//	rst               RST alone; rst ack has both
//	segment FLAGS     any flags: FIN,SYN,RST,PSH,ACK,URG,ECE,CWR or none
//
// with any of the fields
//
//	seq=N ack=N win=N urg=N     the header's (win in units of the window scale, 0 to 65535)
//	noack, ack                  without, with the ACK bit
//	mss=N wscale=N sackok ts=VALUE[:ECHO] opt=HEX    options; opt is appended as it is
//	"text"                      payload
//	badsum                      with a wrong checksum
//
// The kernel must send, within a bound that suits slow machines:
//
//	expect syn|synack|ack|data|fin|rst [seq=N] [ack=N] [win=N] [len=N] [mss=N] [ack|noack] ["text"] [again]
//	silence DURATION            no segment at all for so long
//
// Where fields do not say otherwise, what is expected acknowledges everything
// sent in sequence and begins where the last ended, except that nothing is
// asked of an RST's numbers; only data and "text" mean payload. Bare ACKs and
// retransmissions that are not what is expected are passed over, anything else
// fails at once. With again it must be a retransmission.
//
//	icmp unreachable net|host|protocol|port|admin [seq=N]
//
// quotes the last segment expected, with another sequence number if need be.
//
// The kernel's side is a socket that the script holds:
//
//	kernel listen, kernel accept, kernel unlisten
//	kernel connect              begins to; forgets all earlier sequence numbers
//	kernel write "text", kernel read "text"|eof|ERRNO
//	kernel shutdown rd|wr|rdwr, kernel close, kernel disconnect
//	kernel kill                 ss -K of the connection, else of the listener
//	kernel linger SECONDS, kernel error ERRNO
//	kernel setsockopt NAME N    on the connection, else on the listener
//	kernel sysctl NAME VALUE    of the namespace: net.ipv4.tcp_rfc1337 1
//
// And, for all of it:
//
//	state NAME                  the kernel's socket reaches it; SYN_RECV and TIME_WAIT
//	                            may be mini-sockets, CLOSE is also the absence of any
//	iss N                       the peer's next connection begins with this number
//	wait DURATION               for what cannot be awaited
//	path STATE STATE…           declares: a socket of the kernel's goes exactly through
//	                            these states; path none declares that none moves
//
// The paths of a script are data: Play compares them, in the order in which the
// sockets first moved, with what the Witness saw.
//
// Only _test.go files import it.
package tunpeer
