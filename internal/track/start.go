package track

import "github.com/tcpwatch/tcpwatch/events"

const (
	// maxStarts bounds the mini-sockets whose full socket has yet to end: it
	// does within microseconds, on the same CPU (tcp_time_wait, then tcp_done).
	maxStarts = 256
	// startWait is how long the end of the full socket is awaited, in ns of event
	// time. It follows at once, but the process may be made to wait in between.
	startWait = 1e9
)

// start is a mini-socket whose full socket has yet to end. Packets can reach it
// before (tcp_time_wait lets softirqs in).
type start struct {
	events.Event // the newest of its timer
	since        uint64
	left         uint64 // ns since boot when the timer was taken off, 0 if it is set
	cause        events.Cause
}

// announce keeps the beginning of a mini-socket until its full socket ends.
func (t *Table) announce(ev *events.Event) {
	if st := t.startOf(ev.SK); st != nil {
		st.Event, st.left = *ev, 0
		return
	}
	if len(t.starts) == maxStarts {
		t.adoptStart()
	}
	t.starts = append(t.starts, start{Event: *ev, since: ev.Time})
}

// startOf returns the announced mini-socket at an address, or nil.
func (t *Table) startOf(sk uint64) *start {
	for i := range t.starts {
		if t.starts[i].SK == sk {
			return &t.starts[i]
		}
	}
	return nil
}

// cancelStart notes that the timer of a mini-socket was taken off, or ran out,
// whose full socket has not ended yet. Its end is told of after that one's.
func (t *Table) cancelStart(ev *events.Event) {
	t.bury(ev.SK, ev.Time)
	if st := t.startOf(ev.SK); st != nil {
		st.left, st.cause = ev.Time, ev.Cause()
	}
}

// adoptStart makes the oldest announced mini-socket a life of its own: the end
// of its full socket was not seen. One that has gone since is no loss.
func (t *Table) adoptStart() {
	st := t.starts[0]
	t.starts = append(t.starts[:0], t.starts[1:]...)
	if st.left != 0 {
		return
	}
	if s := t.addMini(&st.Event); s != nil {
		s.Mini.Since = st.since
		t.tellMini(s)
	}
}

// takeStart returns the announced beginning of the mini-socket that follows s,
// in into, and forgets it. The newest come last.
func (t *Table) takeStart(s *Socket, into *start) bool {
	for i := len(t.starts) - 1; i >= 0; i-- {
		st := &t.starts[i]
		if st.Lport != s.Lport || st.Rport != s.Rport || st.Netns != s.Netns || st.NetnsCookie != s.NetnsCookie ||
			st.Saddr != s.Saddr || st.Daddr != s.Daddr || st.Cookie != 0 && s.Cookie != 0 && st.Cookie != s.Cookie {
			continue
		}
		*into = *st
		t.starts = append(t.starts[:i], t.starts[i+1:]...)
		return true
	}
	return false
}
