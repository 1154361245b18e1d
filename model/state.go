package model

import "strings"

// State is a TCP state, numbered as the kernel numbers it
// (include/net/tcp_states.h).
type State uint8

// The kernel's states. TIME_WAIT, NEW_SYN_RECV and BOUND_INACTIVE belong to
// mini-sockets, request sockets and bound sockets: an inventory shows them, a
// state transition of a full socket never does.
const (
	Established   State = 1
	SynSent       State = 2
	SynRecv       State = 3
	FinWait1      State = 4
	FinWait2      State = 5
	TimeWait      State = 6
	Close         State = 7
	CloseWait     State = 8
	LastAck       State = 9
	Listen        State = 10
	Closing       State = 11
	NewSynRecv    State = 12
	BoundInactive State = 13
)

// NumStates is one more than the highest state number, for tables indexed by
// State.
const NumStates = 14

var stateNames = [NumStates]string{
	Established:   "ESTABLISHED",
	SynSent:       "SYN_SENT",
	SynRecv:       "SYN_RECV",
	FinWait1:      "FIN_WAIT1",
	FinWait2:      "FIN_WAIT2",
	TimeWait:      "TIME_WAIT",
	Close:         "CLOSE",
	CloseWait:     "CLOSE_WAIT",
	LastAck:       "LAST_ACK",
	Listen:        "LISTEN",
	Closing:       "CLOSING",
	NewSynRecv:    "NEW_SYN_RECV",
	BoundInactive: "BOUND_INACTIVE",
}

// unknownNames spells the numbers that are not states, so that String never
// allocates: a hostile or future number prints as unknown(N).
var unknownNames = func() (names [256]string) {
	for i := range names {
		names[i] = "unknown(" + itoa(i) + ")"
	}
	return names
}()

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + string(rune('0'+i%10))
}

// Valid reports whether s is one of the kernel's states.
func (s State) Valid() bool { return s >= Established && s < NumStates }

// String returns the kernel's name without TCP_, or unknown(N).
func (s State) String() string {
	if s.Valid() {
		return stateNames[s]
	}
	return unknownNames[s]
}

// ParseState reads a state as people type it: ESTABLISHED, close-wait,
// TCP_FIN_WAIT1, fin-wait-1, SYN-RECV, estab. It reports false for anything
// else.
func ParseState(s string) (State, bool) {
	key := strings.NewReplacer("-", "", "_", "").Replace(strings.ToUpper(s))
	key = strings.TrimPrefix(key, "TCP")
	for i := Established; i < NumStates; i++ {
		if strings.ReplaceAll(stateNames[i], "_", "") == key {
			return i, true
		}
	}
	switch key { // the spellings of ss, netstat and the RFC
	case "ESTAB":
		return Established, true
	case "LISTENING":
		return Listen, true
	case "SYNRECEIVED", "SYNRCVD":
		return SynRecv, true
	case "CLOSED", "UNCONN":
		return Close, true
	}
	return 0, false
}

// States returns every state in the kernel's order.
func States() []State {
	all := make([]State, 0, NumStates-1)
	for s := Established; s < NumStates; s++ {
		all = append(all, s)
	}
	return all
}
