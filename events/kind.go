package events

// Kind says what an Event reports. The numbers are shared with bpf/event.h;
// those from Lost on are made in user space.
type Kind uint8

const (
	None          Kind = iota
	Transition         // a socket went from one state to another
	Retransmit         // a segment was sent again (or, since Linux 6.17, could not be: Evidence.Err)
	SynAck             // a SYN-ACK was sent again for a request socket
	ResetSent          // an RST was sent
	ResetReceived      // an RST was received, or the kernel reset the socket itself
	Destroy            // the socket's memory is about to be freed: the end of its pointer
	Inventory          // a socket found by walking the kernel's table
	Holder             // a file descriptor that refers to a socket
	TWStart            // the timer of a TIME_WAIT mini-socket was set: it began, or begins again
	TWCancel           // it was taken off before its time: see Cause
	TWExpire           // it ran out, and with it the mini-socket
	Read               // a process has read from a socket whose owner was its listener's
	Accept             // a process has accepted a connection
	LifeEnd            // the memory of a socket is about to be freed: its History

	Lost   // Count events are missing here, at Where
	Tick   // every event up to Time has been delivered
	Found  // every socket that was there before Time has been reported, unless Evidence.Err is set
	Closed // a recorded summary of one life (replay only)
	Unheld // a socket that is there, and that no file descriptor refers to (Snapshot)

	TimersOn // from Time on, every TWStart, TWCancel and TWExpire is delivered
	Mini     // a mini-socket began or ended: what a table says, and a recording
	Look     // an inventory begins: what was given up before Time is in none of its rows
	Walked   // the sockets of one network namespace have all been handed over
)

var kindNames = [...]string{
	None: "none", Transition: "transition", Retransmit: "retransmit", SynAck: "retransmit",
	ResetSent: "reset", ResetReceived: "reset", Destroy: "destroy", Inventory: "inventory",
	Holder: "holder", TWStart: "time_wait", TWCancel: "time_wait", TWExpire: "time_wait", Read: "read", Accept: "accept", LifeEnd: "life", Lost: "lost", Tick: "tick", Found: "found", Closed: "closed", Unheld: "unheld",
	TimersOn: "timers_on", Mini: "time_wait", Look: "look", Walked: "walked",
}

// String returns the name the public contract gives to lines of this kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}
