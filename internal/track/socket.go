package track

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// MaxSteps is how many states of one life are kept. The longest life the
// machine allows enters nine; more come only from repeated self transitions,
// and then the middle is left out and counted.
const MaxSteps = 12

// Step is one state of a history.
type Step struct {
	Time    uint64 // ns since boot when the state was entered; 0 if it was not seen
	State   model.State
	Verdict model.Verdict
	Rule    model.Rule
}

// Fact is one yes-or-no thing that is known of a socket's life.
type Fact uint32

const (
	BeganBefore   Fact = 1 << iota // met mid-life: the past is unknown
	OnlyFound                      // known from an inventory alone, no event yet
	Established                    // was ESTABLISHED
	SimulClose                     // went through CLOSING
	Ended                          // reached CLOSE
	Destroyed                      // its memory is gone
	Reported                       // its end has been reported
	Retired                        // its pointer belongs to another life by now
	ResetIn                        // an RST arrived, or the kernel reset the socket itself
	ResetOut                       // an RST was sent
	ResetOutFirst                  // an RST was sent before the end
	ResetOutOwn                    // an RST was sent of our own accord
	Incomplete                     // events of this life may be missing
	Filtered                       // replay: lines of this life are missing from the recording
	Waiting                        // found by an fd; its row of the inventory is still to come
	Untold                         // found, and not reported yet
	Unproven                       // counted as a socket that could not be judged for want of events
	Descends                       // it is, or was, of the process that is watched, or of a descendant
	Repaired                       // an inventory had to add it, or to mend its state
)

// Retransmits counts segments sent again, by kind; Fast and Probe say of how many of
// all of them the cause was no timeout.
type Retransmits struct {
	SYN, SYNACK, FIN, Data, Failed uint32

	Fast, Probe uint32

	Last  Segment // what was sent again last
	First uint64  // ns since boot: the first sending of such a SYN, else when such a segment was first sent again
	Until uint64  // ns since boot: when one was last
}

// Over returns between which times segments of the last kind were sent again, in ns; 0
// if that is not known.
func (r *Retransmits) Over() uint64 {
	if r.First == 0 || r.Until < r.First {
		return 0
	}
	return r.Until - r.First
}

// End is why a life ended, and what the model thinks of it: a model.Closure
// without its text.
type End struct {
	Reason  model.CloseReason
	By      model.Closer
	Verdict model.Verdict
	Rule    model.Rule
}

// Socket is all that is known of one life of one socket. It holds no pointers.
type Socket struct {
	ID          uint64
	SK          uint64
	Cookie      uint64
	NetnsCookie uint64
	Born        uint64 // ns since boot of the first event, or of the inventory
	Since       uint64 // ns since boot when State was entered; 0 if not seen
	EndTime     uint64 // ns since boot of reaching CLOSE
	Heard       Heard
	Saddr       [16]byte
	Daddr       [16]byte
	Netns       uint32
	Lport       uint16
	Rport       uint16
	Family      events.Family
	State       model.State
	EndFrom     model.State // the state left for CLOSE
	Role        model.Role
	FirstFIN    model.Closer
	Worst       model.Verdict // of the steps so far; Unjudged outweighs Normal
	WorstRule   model.Rule
	Owner       events.Owner
	Machine     model.Machine
	Last        model.Evidence // of the newest event; of ->CLOSE once Ended
	Retransmits Retransmits
	Facts       Fact
	End         End
	ResetReason uint32 // kernel's number + 1
	ResetTime   uint64
	Queues      events.Queues // of a listener found
	Stack       uint32        // events.Event.Stack of connect() or accept()
	Steps       uint32        // transitions seen
	Mini        Mini          // the mini-socket that took the place of the full one
	kept        uint8         // steps in history
	Skipped     uint32        // steps left out of history
	history     [MaxSteps]Step

	met      met
	lossMark uint64 // losses that were certainly before the newest event
	slot     int32
	prev     int32 // links of the list the socket is in
	next     int32
}

// Is reports whether every fact of f holds.
func (s *Socket) Is(f Fact) bool { return s.Facts&f == f }

// History returns the states in the order in which they were entered.
func (s *Socket) History() []Step { return s.history[:s.kept] }

// Held reports whether the socket has ended but its memory lives on: some fd
// still refers to it, and neither ss nor /proc shows it.
func (s *Socket) Held() bool { return s.Is(Ended) && !s.Is(Destroyed) && !s.Is(Retired) }

// Open reports whether the socket has not reached CLOSE.
func (s *Socket) Open() bool { return !s.Is(Ended) }

// InState returns for how long, at time now, the socket has been in its state,
// in ns, or -1 if its beginning was not seen.
func (s *Socket) InState(now uint64) int64 {
	if s.Since == 0 {
		return -1
	}
	return int64(now - min(now, s.Since))
}

// Lasted returns for how long the life has lasted at time now, or lasted, in
// ns; of one that began before the watch, for how long it was watched.
func (s *Socket) Lasted(now uint64) uint64 {
	if s.Is(Ended) {
		now = s.EndTime
	}
	return now - min(now, s.Born)
}

// Complete reports whether all of the life was seen and is kept.
func (s *Socket) Complete() bool {
	return s.Facts&(Incomplete|BeganBefore) == 0 && s.Skipped == 0
}

func (s *Socket) remember(st Step) {
	if s.kept == MaxSteps { // keep the first and the newest
		s.Skipped++
		copy(s.history[MaxSteps/2:], s.history[MaxSteps/2+1:])
		s.kept--
	}
	s.history[s.kept] = st
	s.kept++
}

// Heard is when something last came or went, as the newest inventory saw it, in ns
// since boot; 0 for never, or not known.
type Heard struct {
	Segment  uint64 // received
	Received uint64 // data
	Sent     uint64 // data
	SYN      uint64 // the first one sent, while the socket is in SYN_SENT
}

// hear takes over what an inventory says of that.
func (s *Socket) hear(ev *events.Event) {
	if ev.Kind == events.Holder {
		if ago := ev.Quiet(); ago >= 0 {
			s.Heard.Segment = before(ev.Time, ago)
		}
		return
	}
	if since := ev.SinceSYN(); since >= 0 {
		s.Heard.SYN = before(ev.Time, since)
		return
	}
	if a := ev.Ages(); a.Segment >= 0 || a.Sent >= 0 {
		s.Heard = Heard{Segment: before(ev.Time, a.Segment), Received: before(ev.Time, a.Received), Sent: before(ev.Time, a.Sent)}
	}
}

func before(time uint64, ago int64) uint64 {
	if ago < 0 {
		return 0
	}
	return time - min(time, uint64(ago))
}

// tellAges writes how long ago that is at ev's time into ev, an inventory's row.
func (h *Heard) tellAges(ev *events.Event) {
	if ev.To == model.Listen || *h == (Heard{}) {
		return
	}
	ago := func(time uint64) int64 {
		if time == 0 {
			return -1
		}
		return int64(ev.Time - min(ev.Time, time))
	}
	if ev.To == model.SynSent {
		ev.SetAges(events.Ages{Segment: ago(h.SYN), Received: -1, Sent: -1})
		return
	}
	ev.SetAges(events.Ages{Segment: ago(h.Segment), Received: ago(h.Received), Sent: ago(h.Sent)})
}

// learn takes over what ev says of the tuple. Ports and addresses are
// remembered: the kernel clears some of them before the last events.
func (s *Socket) learn(ev *events.Event) {
	s.Netns, s.NetnsCookie, s.Family = ev.Netns, ev.NetnsCookie, ev.Family
	if ev.Cookie != 0 && !ev.Has(model.Stale) {
		s.Cookie = ev.Cookie
	}
	if ev.Lport != 0 {
		s.Lport = ev.Lport
	}
	if ev.Rport != 0 {
		s.Rport = ev.Rport
	}
	if ev.Saddr != ([16]byte{}) {
		s.Saddr = ev.Saddr
	}
	if ev.Daddr != ([16]byte{}) {
		s.Daddr = ev.Daddr
	}
}

// show writes what is remembered of the tuple into ev.
func (s *Socket) show(ev *events.Event) {
	ev.Cookie, ev.Netns, ev.NetnsCookie, ev.Family = s.Cookie, s.Netns, s.NetnsCookie, s.Family
	ev.Lport, ev.Rport, ev.Saddr, ev.Daddr = s.Lport, s.Rport, s.Saddr, s.Daddr
}
