package explore

import "github.com/tcpwatch/tcpwatch/model"

// turn is one step of one end, under way.
type turn struct {
	step
	x    *Explorer
	from int // the node in which the end was met

	e      end
	sent   channel
	stored []opened // what the end was at the instants between

	picks []pick // what was chosen so far where Linux may do either
	at    int
}

// pick is one choice: the n-th of so many.
type pick struct{ n, of int }

// choose returns one of n; the explorer makes the turn again with each other.
func (t *turn) choose(n int) int {
	if t.at == len(t.picks) {
		t.picks = append(t.picks, pick{0, n})
	}
	t.at++
	return t.picks[t.at-1].n
}

func (t *turn) either() bool { return t.choose(2) == 1 }

// again turns to the next choices, and reports whether there are any.
func (t *turn) again() bool {
	for i := len(t.picks) - 1; i >= 0; i-- {
		if t.picks[i].n++; t.picks[i].n < t.picks[i].of {
			t.picks = t.picks[:i+1]
			return true
		}
	}
	return false
}

func (t *turn) end() *end     { return &t.e }
func (t *turn) sock() *socket { return &t.e.sock }

// send puts a segment on the wire, for ever.
func (t *turn) send(g segment) { t.sent.add(t.x.alphabet.place(g)) }

// sendACK acknowledges what was received: in time, again, or as a challenge
// (RFC 5961).
func (t *turn) sendACK() {
	s := t.sock()
	t.send(segment{control: ack, seq: s.nxt, ack: s.rcv})
}

// sendReset resets the peer of our own accord (tcp_send_active_reset).
func (t *turn) sendReset() {
	s := t.sock()
	t.send(segment{control: rst | ack, seq: s.nxt, ack: s.rcv})
}

// answerReset answers a segment with an RST, unless it is one.
func (t *turn) answerReset(g segment) {
	if !g.has(rst) {
		t.send(g.reset())
	}
}

// store is inet_sk_set_state: the event, and then the state.
func (t *turn) store(to model.State, a acting) {
	s := t.sock()
	ev := s.evidence(a)
	j := s.machine.Step(s.state, to, false, &ev)
	t.x.watch.Transition(t, s.state, to, j)
	s.state = to
	t.pair()
}

// storeListener is the same for a listener.
func (t *turn) storeListener(from, to model.State) {
	ev := model.Evidence{Flags: model.Owned | model.HasSocket}
	t.x.watch.Transition(t, from, to, t.end().listener.Step(from, to, false, &ev))
}

// pair notes what the end is at this instant.
func (t *turn) pair() { t.stored = append(t.stored, t.e.opened()) }

// finish ends the socket's life. What may stay of it is a mini-socket, which was
// made before, or the closed socket in its process's hands, which may connect again.
func (t *turn) finish(fate Fate, a acting, r resets) {
	s := t.sock()
	s.endings(a, r, func(e *model.Ending) { t.x.watch.End(t, fate, e) })
	t.store(model.Close, a)
	t.checkNumbers()
	if s.is(held) && !s.is(dead) && t.end().lives < t.x.bounds.Lives {
		*s = socket{state: model.Close, facts: held, machine: s.machine}
	} else {
		*s = socket{}
	}
}

// leaveMini puts a mini-socket in the socket's place (tcp_time_wait).
func (t *turn) leaveMini(state model.State) {
	s := t.sock()
	t.end().mini = mini{state, s.iss, s.irs, s.nxt, s.rcv}
}

// checkNumbers compares what the model has read of the numbers with the truth.
func (t *turn) checkNumbers() {
	if s := t.sock(); !s.numbersAreRight() {
		t.x.watch.Wrong(t, s.machine.Numbers)
	}
}
