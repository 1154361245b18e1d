package probe

import "github.com/tcpwatch/tcpwatch/bpf"

// program is one of our kernel programs on a BTF-typed tracepoint.
type program struct {
	name     string // in the object, and the index of its counters in enum program
	hook     string // the tracepoint
	required bool   // without it there is nothing to watch
	loses    string // what a kernel without the hook does not show
	timers   bool   // loaded for TimeWaitTimers only, and attached by startTimers
	storage  bool   // needs SkStorage
	stacks   bool   // loaded for Options.Stacks only, and reads the kernel's memory
	events   bool   // not loaded for Options.Lives: what it tells of is in no life
}

// programs lists them in the order of enum program in bpf/tcpwatch.bpf.c.
var programs = [...]program{
	{name: bpf.TcpwatchProgState, hook: "inet_sock_set_state", required: true, loses: "state transitions"},
	{name: bpf.TcpwatchProgStateRescue, hook: "inet_sock_set_state", loses: "transitions that nest in another on one CPU (they are counted as lost)"},
	{name: bpf.TcpwatchProgRetransmit, hook: "tcp_retransmit_skb", loses: "retransmits"},
	{name: bpf.TcpwatchProgSynack, hook: "tcp_retransmit_synack", loses: "SYN-ACK retransmits", events: true},
	{name: bpf.TcpwatchProgResetSent, hook: "tcp_send_reset", loses: "resets sent"},
	{name: bpf.TcpwatchProgResetReceived, hook: "tcp_receive_reset", loses: "resets received"},
	{name: bpf.TcpwatchProgDestroy, hook: "tcp_destroy_sock", loses: "the end of a socket's memory (sockets reset but still held)"},
	{name: bpf.TcpwatchProgFirstRead, hook: "tcp_rcv_space_adjust", loses: ownersByRead, storage: true, events: true},
	{name: bpf.TcpwatchProgTwStart, hook: "timer_start", loses: "the begin of TIME_WAIT", timers: true},
	{name: bpf.TcpwatchProgTwCancel, hook: "timer_cancel", loses: "early ends of TIME_WAIT", timers: true},
	{name: bpf.TcpwatchProgTwExpire, hook: "timer_expire_entry", loses: "the end of TIME_WAIT", timers: true},
	{name: bpf.TcpwatchProgAccepted, hook: "sys_exit", loses: "the stack at accept()", stacks: true},
}

const ownersByRead = "which process reads from an accepted socket, until a look at the fds tells"

const (
	stateIndex  = 0
	rescueIndex = 1
)

// The iterators, loaded for inventories.
var iterators = [...]string{bpf.TcpwatchProgInventory, bpf.TcpwatchProgHolders}
