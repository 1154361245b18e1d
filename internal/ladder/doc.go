// Package ladder tells a connection as a sequence diagram does: what each end sent,
// and which states that led to. It draws nothing: it says what is known, and how.
//
// Nothing is told that no evidence implies. An arrow is observed where an event of the
// end that it reached, or a reset told of by the kernel, shows it; it is inferred where
// only the end that must have sent it is known, or where the protocol leaves no choice:
// the numbers are those that the sockets told (model.Numbers).
package ladder
