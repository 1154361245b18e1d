package probe

import "github.com/tcpwatch/tcpwatch/bpf"

// program is one of our kernel programs on a BTF-typed tracepoint.
type program struct {
	name     string // in the object, and the index of its counters in enum program
	hook     string // the tracepoint
	required bool   // without it there is nothing to watch
	loses    string // what a kernel without the hook does not show
	timers   bool   // loaded for TimeWaitTimers only, and attached by startTimers
}

// programs lists them in the order of enum program in bpf/tcpwatch.bpf.c.
var programs = [...]program{
	{bpf.TcpwatchProgState, "inet_sock_set_state", true, "state transitions", false},
	{bpf.TcpwatchProgStateRescue, "inet_sock_set_state", false, "transitions that nest in another on one CPU (they are counted as lost)", false},
	{bpf.TcpwatchProgRetransmit, "tcp_retransmit_skb", false, "retransmits", false},
	{bpf.TcpwatchProgSynack, "tcp_retransmit_synack", false, "SYN-ACK retransmits", false},
	{bpf.TcpwatchProgResetSent, "tcp_send_reset", false, "resets sent", false},
	{bpf.TcpwatchProgResetReceived, "tcp_receive_reset", false, "resets received", false},
	{bpf.TcpwatchProgDestroy, "tcp_destroy_sock", false, "the end of a socket's memory (sockets reset but still held)", false},
	{bpf.TcpwatchProgTwStart, "timer_start", false, "the begin of TIME_WAIT", true},
	{bpf.TcpwatchProgTwCancel, "timer_cancel", false, "early ends of TIME_WAIT", true},
	{bpf.TcpwatchProgTwExpire, "timer_expire_entry", false, "the end of TIME_WAIT", true},
}

const (
	stateIndex  = 0
	rescueIndex = 1
)

// The iterators, loaded for inventories.
var iterators = [...]string{bpf.TcpwatchProgInventory, bpf.TcpwatchProgHolders}
