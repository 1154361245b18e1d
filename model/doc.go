// Package model is the specification: the states of TCP, every transition a
// correct Linux kernel makes between them, and what each one means.
//
// The table of edges is the documentation. It is RFC 9293 figure 5, plus what
// the text of the RFC adds to the figure (resets, aborts, timeouts), plus what
// Linux refines; each row says which, where in the kernel it happens, and how
// it was seen. Machine judges one socket's transitions against the table;
// Ending judges why a socket reached CLOSE; Explain puts every name that an
// output can print into plain words.
//
// The vantage point is the tracepoint sock:inet_sock_set_state. What it never
// shows is never a transition here: a request socket (NEW_SYN_RECV) is silent,
// and TIME_WAIT is a mini-socket, to which a full socket hands over as it goes
// to CLOSE.
//
// There are two kinds of "no": Impossible, for what no correct kernel does,
// and Unjudged, for what could not be seen well enough. The second is never
// reported as the first.
//
// The package depends on the standard library alone: a specification that
// imports its subject is not one.
package model
