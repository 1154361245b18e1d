package track

import (
	"cmp"
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// Row is what a list shows of one socket: a copy, so that drawing a list never
// holds up the stream.
type Row struct {
	ID          uint64
	Cookie      uint64
	Born        uint64 // ns since boot
	Since       uint64 // ns since boot when State was entered; 0 if not seen
	EndTime     uint64 // ns since boot, 0 while open
	Saddr       [16]byte
	Daddr       [16]byte
	Owner       events.Owner
	Netns       uint32
	Unread      uint32 // bytes received and not read, as of the newest event
	Lport       uint16
	Rport       uint16
	Retransmits uint32 // segments sent again, all kinds
	Steps       uint32
	Facts       Fact
	Family      events.Family
	State       model.State
	Substate    model.State // of a mini-socket (TIME_WAIT): that, or FIN_WAIT2
	Presumed    bool        // the mini-socket should be there, and no look has met it yet
	Role        model.Role
	Verdict     model.Verdict // of the whole life once it has ended, else the worst of its steps
	End         End
	slot        int32
}

// Row returns the list form of the socket.
func (s *Socket) Row() Row {
	r := Row{
		ID: s.ID, Cookie: s.Cookie, Born: s.Born, EndTime: s.EndTime,
		Saddr: s.Saddr, Daddr: s.Daddr, Owner: s.Owner, Netns: s.Netns,
		Lport: s.Lport, Rport: s.Rport, Steps: s.Steps, Facts: s.Facts, Family: s.Family,
		State: s.State, Role: s.Role, Verdict: s.Worst, End: s.End, slot: s.slot,
	}
	r.Retransmits = s.Retransmits.SYN + s.Retransmits.SYNACK + s.Retransmits.FIN + s.Retransmits.Data
	if !s.Is(OnlyFound) {
		r.Since = s.Since
	}
	if s.State != model.Listen {
		ev := events.Event{Evidence: s.Last}
		r.Unread = ev.Unread()
	}
	if s.Is(Reported) && s.Steps > 0 {
		r.Verdict = s.End.Verdict
	}
	if s.Mini.indexed() { // it lives on as a mini-socket
		r.State, r.Since, r.EndTime, r.Unread = model.TimeWait, s.Mini.Since, 0, 0
		r.Substate, r.Presumed = s.Mini.Substate, s.Mini.Presumed()
		r.Facts &^= Ended
	}
	return r
}

// Held is Socket.Held.
func (r *Row) Held() bool { return r.Facts&(Ended|Destroyed|Retired) == Ended }

// InState returns for how long, at time now, the socket has been in its state, in
// ns, or -1 if its beginning was not seen. Of a socket that is held it is the time
// since its end.
func (r *Row) InState(now uint64) int64 {
	if r.Since == 0 {
		return -1
	}
	return int64(now - min(now, r.Since))
}

// Changes returns a number that grows whenever a row may have changed.
func (t *Table) Changes() uint64 { return t.changes }

// Rows appends every socket of the table, open and closed, to rows, in no
// particular order.
func (t *Table) Rows(rows []Row) []Row {
	for slot := range t.arena.used { // in the order of memory: a list would jump about
		if s := t.arena.at(slot); s.ID != 0 {
			rows = append(rows, s.Row())
		}
	}
	return rows
}

// Each hands every socket of the table, open and closed, to yield, as Rows does, and
// keeps none: to count them takes no memory. The row is good until yield returns.
func (t *Table) Each(yield func(*Row)) {
	var r Row
	for slot := range t.arena.used {
		if s := t.arena.at(slot); s.ID != 0 {
			r = s.Row()
			yield(&r)
		}
	}
}

// Inventory hands every socket that is there to sink, as an inventory at time now
// would find it: those that are open, and those that have ended and are held.
func (t *Table) Inventory(now uint64, sink Sink) {
	var there []*Socket
	for slot := range t.arena.used {
		if s := t.arena.at(slot); s.ID != 0 && (s.Open() || s.Held() || s.Mini.Waiting() && s.Mini.Expires > now) {
			there = append(there, s)
		}
	}
	slices.SortFunc(there, func(a, b *Socket) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range there {
		if m := &s.Mini; m.Waiting() && m.Expires > now {
			sink.Observe(s.waiting(now))
			if !s.Held() {
				continue
			}
		}
		o := s.Observation(now)
		o.Event.Kind, o.Event.From, o.Socket = events.Inventory, 0, nil
		s.showQueues(&o.Event)
		o.Judgement.Rule = s.WorstRule
		if s.Steps == 0 {
			o.Judgement = model.Judgement{Verdict: model.Unjudged, Rule: model.RuleBeganBefore}
		}
		if s.Is(OnlyFound) {
			o.InState = -1
		}
		s.Heard.tellAges(&o.Event)
		if o.InState < 0 {
			o.InState = o.Event.Handshaking()
		}
		sink.Observe(o)
	}
}

// waiting returns the mini-socket of the life as an inventory at time now would
// find it.
func (s *Socket) waiting(now uint64) *Observation {
	m, o := &s.Mini, s.Observation(now)
	o.Event = events.Event{Kind: events.Inventory, Time: now, SK: m.SK, From: m.Substate, To: model.TimeWait, Extra: m.Expires - now, InState: -1}
	s.show(&o.Event)
	o.Event.SndNxt, o.Event.RcvNxt = m.SndNxt, m.RcvNxt
	o.Socket, o.InState, o.Judgement = nil, -1, model.Judgement{Verdict: model.Unjudged, Rule: model.RuleBeganBefore}
	if m.Since != 0 {
		o.InState, o.Judgement = int64(now-min(now, m.Since)), model.Judgement{Verdict: model.Normal}
	}
	return o
}

// Socket returns a copy of the life that a row is about, if it is still kept.
func (t *Table) Socket(r *Row) (Socket, bool) {
	if r.slot >= t.arena.used {
		return Socket{}, false
	}
	s := t.arena.at(r.slot)
	if s.ID != r.ID {
		return Socket{}, false
	}
	return *s, true
}

// Lives hands the lives with some ids, as far as they are still kept, to yield.
func (t *Table) Lives(ids map[uint64]bool, yield func(*Socket)) {
	for slot := range t.arena.used {
		if s := t.arena.at(slot); s.ID != 0 && ids[s.ID] {
			yield(s)
		}
	}
}

// Time returns the time since boot, in ns, up to which the table is complete.
func (t *Table) Time() uint64 { return t.time }

// Observation returns the life as it stands at time now, in the form of its
// end: with no close reason while it is open.
func (s *Socket) Observation(now uint64) *Observation {
	o := &Observation{
		ID: s.ID, InState: s.InState(now), Step: s.Steps, Owner: s.Owner, Role: s.Role,
		Judgement: model.Judgement{Verdict: s.Worst}, Stack: s.Stack, Socket: s,
	}
	o.Event = events.Event{Kind: events.Closed, Time: now, SK: s.SK, Evidence: s.Last, From: s.State, To: s.State, InState: -1}
	s.show(&o.Event)
	if s.Is(BeganBefore) {
		o.Began = BeganInPast
	}
	return o
}
