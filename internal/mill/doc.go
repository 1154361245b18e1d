// Package mill makes TCP sockets in every state and in every kind of hands, for
// tests that compare a list of sockets with the kernel's: it churns connections
// in two joined network namespaces, in a process of its own, stops between two
// system calls when it is told to, and says what it holds.
//
// The process is the test binary run again: TestMain must call Main first.
package mill
