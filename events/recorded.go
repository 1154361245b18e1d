package events

import "github.com/tcpwatch/tcpwatch/model"

// Recorded is what a line of a recording says beyond the event: what tcpwatch
// knew of the socket when it wrote the line. A replay needs it where lines
// before this one were filtered out, and for what no line tells of, such as
// who holds an fd.
type Recorded struct {
	Role      model.Role
	Owner     Owner
	Judgement model.Judgement // RuleNone if this version does not know the rule
	Process   *Process        // of Owner; nil if nothing is known
	NetnsName string
	Holders   []Owner   // Inventory: those that were asked for
	Holding   int       // Inventory: how many there are; 0 if they were not counted
	LostSince uint64    // Transition: events lost since the one before
	Count     uint32    // Retransmit: how often that kind was, in this life
	Life      *Life     // Closed
	Mini      *MiniLife // Mini
	Mended    string    // Inventory: what it put right
	Line      []byte    // Closed, Mini: the line as it was written
	Listen    *Listen   // Inventory: of a listener
}

// Life is a recorded summary of one life.
type Life struct {
	Reason   model.CloseReason
	By       model.Closer
	Before   bool // began before the watch
	Complete bool
	Duration uint64 // ns
	SYN      uint32 // segments sent again, by kind
	SYNACK   uint32
	FIN      uint32
	Data     uint32
	Failed   uint32
	Fast     uint32 // of all of these, not after a timeout
	Probe    uint32
	Last     string // the kind that was sent again last, within Over
	Over     uint64 // ns
	Stages   []Stage
}

// MiniLife is what a line says of a mini-socket.
type MiniLife struct {
	Ended     bool
	End       model.TimeWaitEnd // if it ended
	Successor uint64            // the socket that took its place
}

// Stage is one state of a recorded life.
type Stage struct {
	State model.State
	NS    int64 // spent in it; negative if unknown
}
