package model

// Judgement is what the model thinks of one transition.
type Judgement struct {
	Verdict Verdict
	Rule    Rule
}

// Why returns one sentence for a person. It never allocates.
func (j Judgement) Why() string { return j.Rule.Why() }

// Machine is what the model knows of one socket, from birth to the end of its
// pointer. It is a few bytes without pointers; the zero value knows nothing.
type Machine struct {
	Numbers Numbers // of the life under way
	state   State   // 0: not known
	flags   machineFlags
}

type machineFlags uint8

const (
	midLife machineFlags = 1 << iota
	gap
)

// Found returns the Machine of a socket that an inventory found in state s. A
// BOUND_INACTIVE socket is a CLOSE one that has a port. Of a mini-socket or a
// request socket nothing is known: it makes no transitions.
func Found(s State) Machine {
	switch {
	case s == BoundInactive:
		s = Close
	case !stored(s):
		s = 0
	}
	return Machine{state: s, flags: midLife}
}

// State returns the socket's state, if it is known.
func (m *Machine) State() (State, bool) { return m.state, m.state != 0 }

// MidLife reports that the birth of this life was not seen.
func (m *Machine) MidLife() bool { return m.flags&midLife != 0 }

// Gap reports that at some point of this life continuity broke after events
// were lost.
func (m *Machine) Gap() bool { return m.flags&gap != 0 }

// stored reports whether a full socket's sk_state can hold s.
func stored(s State) bool {
	return s.Valid() && s != TimeWait && s != NewSynRecv && s != BoundInactive
}

// Step judges one transition and adopts its new state. lossSince says that
// events were lost since the last one of this socket; ev may be nil.
//
// A single event carries both states of its edge, so an edge that is not in
// the table is impossible whatever the past. The past is judged only where
// nothing was lost.
func (m *Machine) Step(from, to State, lossSince bool, ev *Evidence) Judgement {
	j := m.step(from, to, lossSince, ev)
	if ev == nil {
		return j
	}
	if lossSince || j.Verdict == Impossible {
		m.Numbers.forget(0) // it may be another's life
	}
	if rule := m.Numbers.step(from, to, ev); rule != RuleNone {
		return Judgement{Impossible, rule}
	}
	return j
}

func (m *Machine) step(from, to State, lossSince bool, ev *Evidence) Judgement {
	if !stored(from) || !stored(to) {
		*m = Machine{Numbers: m.Numbers, flags: m.flags | midLife} // where it is now, nobody knows
		if from.Valid() && to.Valid() {
			return Judgement{Impossible, RuleNeverStored}
		}
		return Judgement{Impossible, RuleUnknownState}
	}

	known := m.state
	m.state = to
	broken := known != 0 && known != from

	i := edgeIndex[from][to]
	if i == 0 {
		if known == 0 {
			m.flags |= midLife
		}
		if broken && lossSince {
			m.flags |= gap
		}
		return Judgement{Impossible, RuleUndocumentedEdge}
	}
	edge := &edges[i-1]

	switch {
	case edge.Birth && known == 0:
		m.flags = 0
	case edge.Birth && known == Close && to != SynRecv:
		m.flags = 0 // listening or connecting again: a new life of the same socket
	case edge.Birth || broken:
		// A newborn child has a new pointer (inet_csk_clone_lock): LISTEN->SYN_RECV
		// never happens to the listener itself.
		if lossSince {
			m.flags |= gap
			return Judgement{Unjudged, RuleEventsLost}
		}
		if edge.Birth {
			return Judgement{Impossible, RuleBornTwice}
		}
		return Judgement{Impossible, RuleContinuity}
	case known == 0:
		m.flags |= midLife
	}

	if from == SynSent && to == Established && ev != nil && ev.Has(Repair|Owned) {
		return Judgement{Notable, RuleRepairConnect}
	}
	return Judgement{edge.Verdict, edgeRule(i)}
}
