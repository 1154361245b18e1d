package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// Line is one line of a recording, field by field as the public contract names
// them.
type Line struct {
	Event       string    `json:"event"`
	Time        time.Time `json:"time"`
	Mono        uint64    `json:"mono_ns"`
	Socket      uint64    `json:"socket"`
	Cookie      string    `json:"cookie"`
	Netns       uint32    `json:"netns"`
	NetnsCookie uint64    `json:"netns_cookie"`
	Family      string    `json:"family"`
	Laddr       string    `json:"laddr"`
	Lport       uint16    `json:"lport"`
	Raddr       string    `json:"raddr"`
	Rport       uint16    `json:"rport"`
	Role        string    `json:"role"`
	NetnsName   string    `json:"netns_name"`
	Owner       Owner     `json:"owner"`
	Actor       *Person   `json:"actor"`

	From    string  `json:"from"`
	To      string  `json:"to"`
	Step    uint32  `json:"step"`
	InState *int64  `json:"in_state_ns"`
	Verdict string  `json:"verdict"`
	Rule    string  `json:"rule"`
	Why     string  `json:"why"`
	Facts   *Facts  `json:"evidence"`
	State   string  `json:"state"`
	Sub     string  `json:"substate"`
	Remain  uint64  `json:"remaining_ns"`
	Began   string  `json:"began"`
	Held    bool    `json:"held"`
	Heard   *int64  `json:"last_segment_ns"`
	Got     *int64  `json:"last_received_ns"`
	Sent    *int64  `json:"last_sent_ns"`
	RecvQ   uint32  `json:"recv_q"`
	SendQ   uint32  `json:"send_q"`
	SndNxt  uint32  `json:"snd_nxt"`
	RcvNxt  uint32  `json:"rcv_nxt"`
	Kind    string  `json:"kind"`
	Seq     uint32  `json:"seq"`
	Cause   string  `json:"cause"`
	Count   uint64  `json:"count"`
	Err     uint16  `json:"err"`
	Where   string  `json:"where"`
	Dir     string  `json:"direction"`
	Active  bool    `json:"active"`
	End     string  `json:"end"`
	Next    uint64  `json:"successor"`
	Mended  string  `json:"mended"`
	Reason  string  `json:"reason"`
	Close   string  `json:"close_reason"`
	ClosedB string  `json:"closed_by"`
	Took    uint64  `json:"duration_ns"`
	Whole   bool    `json:"complete"`
	Rtx     Again   `json:"retransmits"`
	History []Stage `json:"history"`

	Listen   *Backlog  `json:"listen"`
	Counters *Counters `json:"netns_counters"`
}

// Again counts retransmits by kind.
type Again struct {
	SYN    uint32 `json:"syn"`
	SYNACK uint32 `json:"synack"`
	FIN    uint32 `json:"fin"`
	Data   uint32 `json:"data"`
	Failed uint32 `json:"failed"`
	Fast   uint32 `json:"fast"`
	Probe  uint32 `json:"probe"`
	Last   string `json:"last"`
	OverNS uint64 `json:"over_ns"`
}

// Stage is one state of a history.
type Stage struct {
	State string  `json:"state"`
	NS    *uint64 `json:"ns"`
}

// Facts is the evidence of a line.
type Facts struct {
	Err           uint16   `json:"err"`
	ErrSoft       uint16   `json:"err_soft"`
	Shutdown      uint8    `json:"shutdown"`
	Dead          bool     `json:"dead"`
	Done          bool     `json:"done"`
	Owned         bool     `json:"owned"`
	SndUna        uint32   `json:"snd_una"`
	SndNxt        uint32   `json:"snd_nxt"`
	RcvNxt        uint32   `json:"rcv_nxt"`
	WriteSeq      uint32   `json:"write_seq"`
	CopiedSeq     uint32   `json:"copied_seq"`
	BytesAcked    uint64   `json:"bytes_acked"`
	BytesReceived uint64   `json:"bytes_received"`
	Retransmits   uint8    `json:"retransmits"`
	Probes        uint8    `json:"probes"`
	Flags         []string `json:"flags"`
}

// ParseLine reads one line of a recording.
func ParseLine(b []byte) (*Line, error) {
	var l Line
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("parse line: %w", err)
	}
	return &l, nil
}

// event fills ev from the line; names interns reset reasons.
func (l *Line) event(ev *events.Event, raw []byte, names *reasonNames) error {
	*ev = events.Event{Time: l.Mono, InState: -1}
	if l.Event == "lost" {
		where, ok := events.ParseWhere(l.Where)
		if !ok {
			return fmt.Errorf("parse line: unknown place of loss %q", l.Where)
		}
		ev.Kind, ev.Where, ev.LostCount = events.Lost, where, l.Count
		return nil
	}
	switch l.Event {
	case "transition", "inventory", "retransmit", "reset", "closed", "time_wait":
	default:
		return errUnknownEvent
	}
	err := l.identity(ev)
	if err != nil {
		return err
	}
	ev.Evidence = l.Facts.evidence()
	if l.Actor != nil {
		ev.Flags |= model.Owned
	}
	switch l.Event {
	case "transition":
		return l.transition(ev)
	case "inventory":
		return l.inventory(ev)
	case "retransmit":
		return l.retransmit(ev)
	case "reset":
		return l.reset(ev, names)
	case "closed":
		ev.Kind = events.Closed
		if ev.Recorded.Line, err = asWritten(raw); err != nil {
			return err
		}
		ev.Recorded.Life, err = l.life()
		return err
	case "time_wait":
		if ev.Recorded.Line, err = asWritten(raw); err != nil {
			return err
		}
		return l.timeWait(ev)
	}
	return errUnknownEvent
}

// asWritten keeps a line that is handed on as it is.
func asWritten(raw []byte) ([]byte, error) {
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err != nil {
		return nil, fmt.Errorf("parse line: %w", err)
	}
	return line.Bytes(), nil
}

func (l *Line) timeWait(ev *events.Event) error {
	ev.Kind, ev.To = events.Mini, model.TimeWait
	ev.Extra, ev.SndNxt, ev.RcvNxt = l.Remain, l.SndNxt, l.RcvNxt
	var err error
	if ev.From, err = parseState(l.Sub); err != nil {
		return err
	}
	ev.Recorded.Mini = &events.MiniLife{Ended: l.End != "", Successor: l.Next}
	if l.End == "" {
		return nil
	}
	if l.InState != nil {
		ev.InState = *l.InState
	}
	var ok bool
	if ev.Recorded.Mini.End, ok = model.ParseTimeWaitEnd(l.End); !ok {
		return fmt.Errorf("parse line: unknown end of a mini-socket %q", l.End)
	}
	return nil
}

func (l *Line) identity(ev *events.Event) (err error) {
	ev.SK, ev.Socket = l.Socket, l.Socket
	if l.Cookie != "" {
		if ev.Cookie, err = strconv.ParseUint(l.Cookie, 16, 64); err != nil {
			return fmt.Errorf("parse cookie: %w", err)
		}
	}
	ev.Netns, ev.NetnsCookie = l.Netns, l.NetnsCookie
	ev.Lport, ev.Rport = l.Lport, l.Rport
	switch l.Family {
	case "ipv4":
		ev.Family = events.IPv4
	case "ipv6":
		ev.Family = events.IPv6
	default:
		return fmt.Errorf("parse line: unknown family %q", l.Family)
	}
	if err := address(l.Laddr, ev.Family, &ev.Saddr); err != nil {
		return err
	}
	if err := address(l.Raddr, ev.Family, &ev.Daddr); err != nil {
		return err
	}
	role, ok := model.ParseRole(l.Role)
	if !ok {
		return fmt.Errorf("parse line: unknown role %q", l.Role)
	}
	name, err := unescapeAll(l.NetnsName)
	if err != nil {
		return err
	}
	ev.Recorded = &events.Recorded{Role: role, NetnsName: string(name), Count: uint32(min(l.Count, math.MaxUint32))}
	if err := l.Owner.recall(ev.Recorded); err != nil {
		return err
	}
	if rule, ok := model.ParseRule(l.Rule); ok {
		verdict, _ := model.ParseVerdict(l.Verdict)
		ev.Recorded.Judgement = model.Judgement{Verdict: verdict, Rule: rule}
	}
	if l.Actor != nil {
		ev.PID = l.Actor.PID
		ev.Comm, err = parseComm(l.Actor.Comm)
	}
	return err
}

func address(s string, family events.Family, to *[16]byte) error {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return fmt.Errorf("parse address: %w", err)
	}
	if a.Is4() != (family == events.IPv4) {
		return fmt.Errorf("parse address %q: not %s", s, family)
	}
	copy(to[:], a.AsSlice())
	return nil
}

func (l *Line) transition(ev *events.Event) error {
	ev.Kind = events.Transition
	var err error
	if ev.From, err = parseState(l.From); err != nil {
		return err
	}
	if ev.To, err = parseState(l.To); err != nil {
		return err
	}
	if ev.From == model.SynRecv {
		ev.Count = uint8(min(l.Rtx.SYNACK, math.MaxUint8))
	}
	ev.Step = l.Step
	ev.Recorded.LostSince = lostSince(l.Why)
	if l.InState != nil {
		ev.InState = *l.InState
	}
	if ev.Has(model.Inherited) {
		ev.PID, ev.Comm = ev.Recorded.Owner.PID, ev.Recorded.Owner.Comm
	}
	return nil
}

func (l *Line) inventory(ev *events.Event) error {
	ev.Kind = events.Inventory
	ev.Recorded.Mended = l.Mended
	var err error
	if ev.To, err = parseState(l.State); err != nil {
		return err
	}
	switch ev.To {
	case model.TimeWait:
		ev.Extra = l.Remain
		if ev.From, err = parseState(l.Sub); err != nil {
			return err
		}
		fallthrough
	case model.NewSynRecv:
		ev.SndNxt, ev.RcvNxt = l.SndNxt, l.RcvNxt
		l.handshaking(ev)
	case model.Listen:
		l.listener(ev)
	default:
		ev.SetAges(events.Ages{Segment: orNever(l.Heard), Received: orNever(l.Got), Sent: orNever(l.Sent)})
	}
	return nil
}

// orNever returns how long ago something was, -1 for never.
func orNever(ns *int64) int64 {
	if ns == nil {
		return -1
	}
	return *ns
}

func (l *Line) retransmit(ev *events.Event) error {
	var err error
	if ev.To, err = parseState(l.State); err != nil {
		return err
	}
	cause, ok := events.ParseAgain(l.Cause)
	if !ok {
		return fmt.Errorf("parse line: unknown cause of a retransmit %q", l.Cause)
	}
	ev.Kind, ev.Extra, ev.Err, ev.Count = events.Retransmit, uint64(l.Seq), l.Err, uint8(cause)
	switch l.Kind {
	case "syn":
		ev.Extra |= 0x02 << 32
	case "synack":
		ev.Extra |= 0x12 << 32
		if ev.To == model.NewSynRecv {
			ev.Kind, ev.Count = events.SynAck, uint8(min(l.Count, 255))
		}
	case "fin":
		ev.Extra |= 0x01 << 32
	case "data":
	default:
		return fmt.Errorf("parse line: unknown retransmit kind %q", l.Kind)
	}
	return nil
}

func (l *Line) reset(ev *events.Event, names *reasonNames) error {
	var err error
	if ev.To, err = parseState(l.State); err != nil {
		return err
	}
	switch l.Dir {
	case "sent":
		ev.Kind = events.ResetSent
		if l.Reason != "" {
			ev.Extra = uint64(names.number(l.Reason)) + 1
		}
	case "received":
		ev.Kind = events.ResetReceived
	default:
		return fmt.Errorf("parse line: unknown direction %q", l.Dir)
	}
	if l.Active {
		ev.Flags |= model.ActiveReset
	}
	return nil
}

// lostSince reads back what judgement writes before the reason.
func lostSince(why string) uint64 {
	count, _, ok := strings.Cut(why, lostWords)
	n, err := strconv.ParseUint(count, 10, 64)
	if !ok || err != nil {
		return 0
	}
	return n
}

// parseState reads a state as Encoder writes it, unknown(N) too.
func parseState(s string) (model.State, error) {
	if state, ok := model.ParseState(s); ok {
		return state, nil
	}
	var n uint8
	if _, err := fmt.Sscanf(s, "unknown(%d)", &n); err == nil {
		return model.State(n), nil
	}
	return 0, fmt.Errorf("parse line: unknown state %q", s)
}

func (f *Facts) evidence() (v model.Evidence) {
	if f == nil {
		return v
	}
	v = model.Evidence{
		BytesAcked: f.BytesAcked, BytesReceived: f.BytesReceived,
		SndUna: f.SndUna, SndNxt: f.SndNxt, RcvNxt: f.RcvNxt,
		WriteSeq: f.WriteSeq, CopiedSeq: f.CopiedSeq,
		Err: f.Err, ErrSoft: f.ErrSoft, Shutdown: f.Shutdown,
		Retransmits: f.Retransmits, Probes: f.Probes,
	}
	for _, b := range []struct {
		set  bool
		flag model.Flags
	}{{f.Dead, model.Dead}, {f.Done, model.Done}, {f.Owned, model.Owned}} {
		if b.set {
			v.Flags |= b.flag
		}
	}
	for _, name := range f.Flags {
		for _, known := range flagNames {
			if known.name == name {
				v.Flags |= known.flag
			}
		}
	}
	return v
}
