// Package kerneltest lets tests work against the real kernel: it makes TCP
// connections in known numbers and ways, network namespaces to make them in,
// and an independent record (Witness) of the state transitions that the kernel
// reported meanwhile. It shares no code with what it is used to test.
//
// Only _test.go files import it, and internal/tunpeer and internal/mill, which are
// for them too.
package kerneltest
