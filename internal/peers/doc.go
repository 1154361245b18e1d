// Package peers measures tcpwatch beside other tools, and beside the least
// that any tool could do, in one run on one machine: make bench-peers.
package peers
