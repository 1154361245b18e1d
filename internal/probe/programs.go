package probe

import "github.com/tcpwatch/tcpwatch/bpf"

// program is one of our kernel programs on a BTF-typed tracepoint.
type program struct {
	name     string // in the object, and the index of its counters in enum program
	hook     string // the tracepoint
	required bool   // without it there is nothing to watch
	loses    string // what a kernel without the hook does not show
}

// programs lists them in the order of enum program in bpf/tcpwatch.bpf.c.
var programs = [...]program{
	{bpf.TcpwatchProgState, "inet_sock_set_state", true, "state transitions"},
	{bpf.TcpwatchProgStateRescue, "inet_sock_set_state", false, "transitions that nest in another on one CPU (they are counted as lost)"},
	{bpf.TcpwatchProgRetransmit, "tcp_retransmit_skb", false, "retransmits"},
	{bpf.TcpwatchProgSynack, "tcp_retransmit_synack", false, "SYN-ACK retransmits"},
	{bpf.TcpwatchProgResetSent, "tcp_send_reset", false, "resets sent"},
	{bpf.TcpwatchProgResetReceived, "tcp_receive_reset", false, "resets received"},
	{bpf.TcpwatchProgDestroy, "tcp_destroy_sock", false, "the end of a socket's memory (sockets reset but still held)"},
}

const (
	stateIndex  = 0
	rescueIndex = 1
)

// The iterators, loaded for inventories.
var iterators = [...]string{bpf.TcpwatchProgInventory, bpf.TcpwatchProgHolders}
