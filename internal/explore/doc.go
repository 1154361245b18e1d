// Package explore is TCP a second time: a small reference written from RFC 9293
// and from what Linux does, and not from package model. Two ends, and a channel
// that loses, reorders and doubles, are explored step by step through everything
// that they can do within bounds, so that the model is proved by it, and not
// trusted.
//
// A World is two Ends and what each has ever sent. A step is one call, one
// segment that arrives, one timer, one accident; where Linux may do one thing or
// another, both are tried. Each state that a full socket stores is told as the
// tracepoint tells it: before it is stored, with what the socket says of itself
// (inet_sk_set_state). The model's Machine is a part of the state, so it is
// explored with it.
//
// What is left out: congestion, options and windows of more than open and shut,
// segments kept out of order (they count as lost, and come again), MPTCP,
// TCP_REPAIR, and whatever ends a life without TCP's doing.
package explore
