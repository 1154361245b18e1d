package filter

import (
	"strconv"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Fields is what a FILTER expression sees: the fields of a line, by the names
// of the public contract. A number that is not known is -1, a text that is not
// known is empty.
type Fields struct {
	Event       string   `expr:"event"`
	MonoNS      int      `expr:"mono_ns"`
	Socket      int      `expr:"socket"`
	Cookie      string   `expr:"cookie"`
	Netns       int      `expr:"netns"`
	NetnsCookie int      `expr:"netns_cookie"`
	NetnsName   string   `expr:"netns_name"`
	Family      string   `expr:"family"`
	Laddr       string   `expr:"laddr"`
	Lport       int      `expr:"lport"`
	Raddr       string   `expr:"raddr"`
	Rport       int      `expr:"rport"`
	Role        string   `expr:"role"`
	Owner       Owner    `expr:"owner"`
	Actor       Person   `expr:"actor"`
	From        string   `expr:"from"`
	To          string   `expr:"to"`
	Step        int      `expr:"step"`
	InStateNS   int      `expr:"in_state_ns"`
	Verdict     string   `expr:"verdict"`
	Rule        string   `expr:"rule"`
	Why         string   `expr:"why"`
	Evidence    Evidence `expr:"evidence"`
	State       string   `expr:"state"`
	Substate    string   `expr:"substate"`
	RemainingNS int      `expr:"remaining_ns"`
	End         string   `expr:"end"`
	Successor   int      `expr:"successor"`
	Mended      string   `expr:"mended"`
	Began       string   `expr:"began"`
	Held        bool     `expr:"held"`
	RecvQ       int      `expr:"recv_q"`
	SendQ       int      `expr:"send_q"`
	Kind        string   `expr:"kind"`
	Seq         int      `expr:"seq"`
	Cause       string   `expr:"cause"`
	Count       int      `expr:"count"`
	Err         int      `expr:"err"`
	Where       string   `expr:"where"`
	Direction   string   `expr:"direction"`
	Active      bool     `expr:"active"`
	Reason      string   `expr:"reason"`
	CloseReason string   `expr:"close_reason"`
	ClosedBy    string   `expr:"closed_by"`
	DurationNS  int      `expr:"duration_ns"`
	Complete    bool     `expr:"complete"`
	Retransmits Again    `expr:"retransmits"`
	Listen      Listen   `expr:"listen"`
	Counters    Counters `expr:"netns_counters"`
}

// Owner is who a socket belongs to. Container, Unit and Cmdline are as they are,
// not escaped.
type Owner struct {
	PID        int    `expr:"pid"`
	Comm       string `expr:"comm"`
	FD         int    `expr:"fd"`
	Provenance string `expr:"provenance"`
	Note       string `expr:"note"`
	Container  string `expr:"container"`
	Unit       string `expr:"unit"`
	Cmdline    string `expr:"cmdline"`
}

// Person is an actor.
type Person struct {
	PID  int    `expr:"pid"`
	Comm string `expr:"comm"`
}

// Again counts retransmits by kind.
type Again struct {
	SYN    int `expr:"syn"`
	SYNACK int `expr:"synack"`
	FIN    int `expr:"fin"`
	Data   int `expr:"data"`
	Failed int `expr:"failed"`
	Fast   int `expr:"fast"`
	Probe  int `expr:"probe"`
}

// Evidence is what the socket said of itself.
type Evidence struct {
	Err           int  `expr:"err"`
	ErrSoft       int  `expr:"err_soft"`
	Shutdown      int  `expr:"shutdown"`
	Dead          bool `expr:"dead"`
	Done          bool `expr:"done"`
	Owned         bool `expr:"owned"`
	SndUna        int  `expr:"snd_una"`
	SndNxt        int  `expr:"snd_nxt"`
	RcvNxt        int  `expr:"rcv_nxt"`
	WriteSeq      int  `expr:"write_seq"`
	CopiedSeq     int  `expr:"copied_seq"`
	BytesAcked    int  `expr:"bytes_acked"`
	BytesReceived int  `expr:"bytes_received"`
}

func (f *Fields) of(o *track.Observation, reason func(uint32) string) {
	ev := &o.Event
	*f = Fields{
		Event: ev.Kind.String(), MonoNS: int(ev.Time), Socket: int(o.ID),
		Netns: int(ev.Netns), NetnsCookie: int(ev.NetnsCookie), NetnsName: o.NetnsName, Family: ev.Family.String(),
		Laddr: events.Addr(ev.Family, &ev.Saddr).String(), Lport: int(ev.Lport),
		Raddr: events.Addr(ev.Family, &ev.Daddr).String(), Rport: int(ev.Rport),
		Role: o.Role.String(), Owner: owner(&o.Owner, o.Process),
		Verdict: o.Judgement.Verdict.String(), InStateNS: int(o.InState),
		State: ev.To.String(), RemainingNS: -1, Listen: noListen, Counters: noCounters, Count: int(o.Count),
		Evidence: evidence(&ev.Evidence), Began: o.Began.String(),
	}
	if ev.Cookie != 0 {
		f.Cookie = strconv.FormatUint(ev.Cookie, 16)
	}
	if o.Judgement.Rule != model.RuleNone {
		f.Rule, f.Why = o.Judgement.Rule.String(), o.Judgement.Why()
	}
	if ev.Has(model.Owned) && !ev.Has(model.Inherited) {
		f.Actor = Person{PID: int(ev.PID), Comm: printable.Comm(&ev.Comm)}
	}
	f.special(o, reason)
}

// special fills what only lines of one kind have.
func (f *Fields) special(o *track.Observation, reason func(uint32) string) {
	ev := &o.Event
	switch ev.Kind {
	case events.Transition:
		f.From, f.To, f.Step = ev.From.String(), ev.To.String(), int(o.Step)
	case events.Inventory:
		recv, send := record.Queues(ev)
		f.RecvQ, f.SendQ = int(recv), int(send)
		f.Held, f.Mended = ev.To == model.Close, o.Mended.String()
		switch ev.To {
		case model.TimeWait:
			f.Substate, f.RemainingNS = ev.From.String(), int(ev.Extra)
		case model.NewSynRecv:
			f.Retransmits.SYNACK = int(ev.Count)
		case model.Listen:
			f.ofListener(o)
		}
	case events.Mini:
		f.Substate, f.RemainingNS = ev.From.String(), int(ev.Extra)
		if o.MiniEnded {
			end, _ := model.TimeWaitEndOf(o.Judgement.Rule)
			f.End, f.RemainingNS, f.Successor = end.String(), -1, int(o.Successor)
		}
	case events.Retransmit, events.SynAck:
		f.Kind, f.Seq, f.Cause = o.Segment.String(), int(ev.Seq()), ev.Again().String()
		if ev.Kind == events.Retransmit {
			f.Err = int(ev.Err)
		}
	case events.ResetSent:
		f.Direction, f.Active = "sent", ev.Has(model.ActiveReset)
		if n, ok := ev.ResetReason(); ok && reason != nil {
			f.Reason = reason(n)
		}
	case events.ResetReceived:
		f.Direction = "received"
	case events.Lost:
		f.Count, f.Where = int(ev.LostCount), ev.Where.String()
	case events.Closed:
		if s := o.Socket; s != nil {
			f.CloseReason, f.ClosedBy = s.End.Reason.String(), s.End.By.String()
			f.DurationNS = int(s.Lasted(ev.Time))
			f.Complete = s.Complete()
			if s.Open() {
				f.Event, f.CloseReason = "open", ""
			}
			r := s.Retransmits
			f.Retransmits = Again{int(r.SYN), int(r.SYNACK), int(r.FIN), int(r.Data), int(r.Failed), int(r.Fast), int(r.Probe)}
		}
	}
}

func owner(w *events.Owner, p *events.Process) Owner {
	o := Owner{PID: int(w.PID), Comm: printable.Comm(&w.Comm), FD: int(w.FD), Provenance: w.Provenance.String(), Note: w.Note.String()}
	if p != nil && w.Named() {
		o.Container, o.Unit, o.Cmdline = p.Container, p.Unit, p.Cmdline
	}
	return o
}

func evidence(v *model.Evidence) Evidence {
	return Evidence{
		Err: int(v.Err), ErrSoft: int(v.ErrSoft), Shutdown: int(v.Shutdown),
		Dead: v.Has(model.Dead), Done: v.Has(model.Done), Owned: v.Has(model.Owned),
		SndUna: int(v.SndUna), SndNxt: int(v.SndNxt), RcvNxt: int(v.RcvNxt),
		WriteSeq: int(v.WriteSeq), CopiedSeq: int(v.CopiedSeq),
		BytesAcked: int(v.BytesAcked), BytesReceived: int(v.BytesReceived),
	}
}

// ofRow fills what a row of a list knows.
func (f *Fields) ofRow(r *track.Row, p *events.Process, now func() uint64) {
	*f = Fields{
		Event: "inventory", Socket: int(r.ID), Netns: int(r.Netns), Family: r.Family.String(),
		Laddr: events.Addr(r.Family, &r.Saddr).String(), Lport: int(r.Lport),
		Raddr: events.Addr(r.Family, &r.Daddr).String(), Rport: int(r.Rport),
		Role: r.Role.String(), Owner: owner(&r.Owner, p),
		Verdict: r.Verdict.String(), State: r.State.String(), Step: int(r.Steps),
		InStateNS: -1, RemainingNS: -1, Listen: noListen, Counters: noCounters, RecvQ: int(r.Unread), Held: r.Held(),
		Began: track.BeganSeen.String(),
	}
	if now != nil {
		f.InStateNS = int(r.InState(now()))
	}
	if r.Cookie != 0 {
		f.Cookie = strconv.FormatUint(r.Cookie, 16)
	}
	if r.Facts&track.BeganBefore != 0 {
		f.Began = track.BeganInPast.String()
	}
	if r.Facts&track.Reported != 0 && r.Steps > 0 {
		f.CloseReason, f.ClosedBy, f.Rule = r.End.Reason.String(), r.End.By.String(), r.End.Rule.String()
		f.DurationNS = int(r.EndTime - r.Born)
	}
}
