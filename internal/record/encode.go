// Package record writes observations as JSON Lines, the public form of
// everything tcpwatch says, and reads them back as a Source: a recording is
// judged again exactly as the live stream was.
package record

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Encoder turns observations into lines.
type Encoder struct {
	// Epoch is the wall-clock time at which the clock of the events was 0, in
	// ns since 1970.
	Epoch int64
	// ResetReason names the kernel's enum sk_rst_reason; nil names none.
	ResetReason func(uint32) string

	clock      clock
	identities identities
	judgements judgements
}

// Append appends one line, with its newline, to b. It allocates nothing but
// for hostile names.
func (e *Encoder) Append(b []byte, o *track.Observation) []byte {
	ev := &o.Event
	if (ev.Kind == events.Closed || ev.Kind == events.Mini) && ev.Recorded != nil {
		return append(appendLine(b, ev.Recorded.Line), '\n')
	}
	name := ev.Kind.String()
	if ev.Kind == events.Closed && o.Socket.Open() {
		name = "open" // a life as far as it went: no event, and not replayed
	}
	b = e.begin(b, name, ev.Time)
	switch ev.Kind {
	case events.Lost:
		b = number(b, "count", ev.LostCount)
		b = text(b, "where", ev.Where.String())
		return end(b)
	case events.Transition:
		b = e.identity(b, o)
		b = e.transition(b, o)
	case events.Inventory:
		b = e.identity(b, o)
		b = inventory(b, o)
	case events.Mini:
		b = e.identity(b, o)
		b = e.timeWait(b, o)
	case events.Retransmit, events.SynAck:
		b = e.identity(b, o)
		b = retransmit(b, o)
	case events.ResetSent, events.ResetReceived:
		b = e.identity(b, o)
		b = e.reset(b, o)
	case events.Closed:
		b = e.identity(b, o)
		b = e.closed(b, o)
	}
	return end(b)
}

func (e *Encoder) begin(b []byte, event string, mono uint64) []byte {
	b = append(b, `{"event":"`...)
	b = append(b, event...)
	b = append(b, `","time":"`...)
	b = e.clock.append(b, e.Epoch+int64(mono))
	b = append(b, `","mono_ns":`...)
	return strconv.AppendUint(b, mono, 10)
}

// AppendTime appends ns since 1970 as RFC 3339 in UTC, always with nine
// decimals.
func AppendTime(b []byte, ns int64) []byte {
	return time.Unix(0, ns).UTC().AppendFormat(b, "2006-01-02T15:04:05.000000000Z")
}

// clock writes times as AppendTime does. The second is the same for many of them.
type clock struct {
	second int64
	text   []byte // up to the decimals
}

func (c *clock) append(b []byte, ns int64) []byte {
	const second = int64(time.Second)
	whole, rest := ns/second, ns%second
	if ns < 0 {
		return AppendTime(b, ns)
	}
	if whole != c.second || c.text == nil {
		c.second, c.text = whole, time.Unix(whole, 0).UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, c.text...)
	for unit := int64(second / 10); unit > 0; unit /= 10 {
		b = append(b, byte('0'+rest/unit%10))
	}
	return append(b, 'Z')
}

func end(b []byte) []byte { return append(b, '}', '\n') }

func (e *Encoder) transition(b []byte, o *track.Observation) []byte {
	ev := &o.Event
	b = text(b, "from", ev.From.String())
	b = text(b, "to", ev.To.String())
	if o.Step != 0 {
		b = number(b, "step", uint64(o.Step))
	}
	if o.InState >= 0 {
		b = number(b, "in_state_ns", uint64(o.InState))
	}
	if ev.From == model.SynRecv && ev.Count > 0 {
		b = halfOpen(b, ev)
	}
	b = e.judgements.append(b, o.Judgement, o.LostSince)
	return evidence(b, &ev.Evidence)
}

func inventory(b []byte, o *track.Observation) []byte {
	ev := &o.Event
	b = text(b, "state", ev.To.String())
	if ev.To == model.TimeWait {
		b = text(b, "substate", ev.From.String())
		b = number(b, "remaining_ns", ev.Extra)
	}
	if o.InState >= 0 {
		b = number(b, "in_state_ns", uint64(o.InState))
	}
	b = text(b, "began", o.Began.String())
	if ev.To == model.Close {
		b = append(b, `,"held":true`...)
	}
	if o.Mended != track.MendedNothing {
		b = text(b, "mended", o.Mended.String())
	}
	recvQ, sendQ := Queues(ev)
	b = number(b, "recv_q", uint64(recvQ))
	b = number(b, "send_q", uint64(sendQ))
	b = quiet(b, ev.Ages())
	b = text(b, "verdict", o.Judgement.Verdict.String())
	switch ev.To {
	case model.Listen:
		return listen(b, o)
	case model.NewSynRecv:
		b = halfOpen(b, ev)
		fallthrough
	case model.TimeWait:
		b = number(b, "snd_nxt", uint64(ev.SndNxt))
		return number(b, "rcv_nxt", uint64(ev.RcvNxt))
	}
	return evidence(b, &ev.Evidence)
}

// quiet says how long ago something last came, or went.
func quiet(b []byte, a events.Ages) []byte {
	for _, one := range [...]struct {
		name string
		ns   int64
	}{{"last_segment_ns", a.Segment}, {"last_received_ns", a.Received}, {"last_sent_ns", a.Sent}} {
		if one.ns >= 0 {
			b = number(b, one.name, uint64(one.ns))
		}
	}
	return b
}

// timeWait says how a mini-socket began, or how it ended.
func (e *Encoder) timeWait(b []byte, o *track.Observation) []byte {
	ev := &o.Event
	b = text(b, "substate", ev.From.String())
	if o.MiniEnded {
		if o.InState >= 0 {
			b = number(b, "in_state_ns", uint64(o.InState))
		}
		end, _ := model.TimeWaitEndOf(o.Judgement.Rule)
		b = text(b, "end", end.String())
		if o.Successor != 0 {
			b = number(b, "successor", o.Successor)
		}
		b = e.judgements.append(b, o.Judgement, 0)
	} else {
		b = number(b, "remaining_ns", ev.Extra)
	}
	b = number(b, "snd_nxt", uint64(ev.SndNxt))
	return number(b, "rcv_nxt", uint64(ev.RcvNxt))
}

// Queues returns what ss shows as Recv-Q and Send-Q of a found socket: of a
// listener the length and the limit of its accept queue, else the bytes not
// read by the application and those not acknowledged by the peer.
func Queues(ev *events.Event) (recv, send uint32) {
	switch ev.To {
	case model.Listen:
		return ev.AcceptQueue()
	case model.TimeWait, model.NewSynRecv, model.Close:
		return 0, 0
	}
	return ev.RcvNxt - ev.CopiedSeq, ev.WriteSeq - ev.SndUna
}

func retransmit(b []byte, o *track.Observation) []byte {
	ev := &o.Event
	b = text(b, "kind", o.Segment.String())
	b = text(b, "state", ev.To.String())
	b = number(b, "seq", uint64(ev.Seq()))
	b = number(b, "count", uint64(o.Count))
	if cause := ev.Again().String(); cause != "" {
		b = text(b, "cause", cause)
	}
	if ev.Err != 0 && ev.Kind == events.Retransmit {
		b = number(b, "err", uint64(ev.Err))
	}
	return b
}

func (e *Encoder) reset(b []byte, o *track.Observation) []byte {
	ev := &o.Event
	direction := "sent"
	if ev.Kind == events.ResetReceived {
		direction = "received"
	}
	b = text(b, "direction", direction)
	b = text(b, "state", ev.To.String())
	if ev.Has(model.ActiveReset) {
		b = append(b, `,"active":true`...)
	}
	if reason, ok := ev.ResetReason(); ok && e.ResetReason != nil && ev.Kind == events.ResetSent {
		b = text(b, "reason", e.ResetReason(reason))
	}
	return b
}

func (e *Encoder) closed(b []byte, o *track.Observation) []byte {
	s := o.Socket
	if s.Open() {
		b = text(b, "state", s.State.String())
	} else {
		b = text(b, "close_reason", s.End.Reason.String())
		if by := s.End.By.String(); by != "" {
			b = text(b, "closed_by", by)
		}
	}
	b = text(b, "began", o.Began.String())
	b = number(b, "duration_ns", s.Lasted(o.Event.Time))
	r := &s.Retransmits
	b = append(b, `,"retransmits":{"syn":`...)
	b = strconv.AppendUint(b, uint64(r.SYN), 10)
	b = number(b, "synack", uint64(r.SYNACK))
	b = number(b, "fin", uint64(r.FIN))
	b = number(b, "data", uint64(r.Data))
	b = number(b, "failed", uint64(r.Failed))
	b = number(b, "fast", uint64(r.Fast))
	b = number(b, "probe", uint64(r.Probe))
	if over := r.Over(); over > 0 {
		b = text(b, "last", r.Last.String())
		b = number(b, "over_ns", over)
	}
	b = append(b, `},"history":[`...)
	b = history(b, s)
	b = append(b, ']')
	b = sequence(b, &s.Machine.Numbers)
	b = seen(e.judgements.append(b, o.Judgement, 0), s)
	b = append(b, `,"complete":`...)
	b = strconv.AppendBool(b, s.Complete())
	return evidence(b, &s.Last)
}

// history lists the states with the ns spent in each; the last one, and one
// that was not seen beginning, have none.
func history(b []byte, s *track.Socket) []byte {
	steps := s.History()
	for i, st := range steps {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"state":"`...)
		b = append(b, st.State.String()...)
		b = append(b, '"')
		if st.Time != 0 && i+1 < len(steps) {
			b = number(b, "ns", steps[i+1].Time-st.Time)
		}
		b = append(b, '}')
	}
	return b
}

// sequence tells the numbers of the life's SYNs and FINs, as far as they are known.
func sequence(b []byte, n *model.Numbers) []byte {
	separator := `,"sequence":{`
	for _, one := range [...]struct {
		set    model.NumberSet
		name   string
		number uint32
	}{
		{model.HasISS, `"iss":`, n.ISS}, {model.HasIRS, `"irs":`, n.IRS},
		{model.HasFIN, `"fin":`, n.FIN}, {model.HasPeerFIN, `"peer_fin":`, n.PeerFIN},
	} {
		if n.Has(one.set) {
			b = append(append(b, separator...), one.name...)
			b = strconv.AppendUint(b, uint64(one.number), 10)
			separator = ","
		}
	}
	if separator == "," {
		b = append(b, '}')
	}
	return b
}

// flagNames are the facts of an event beyond dead, done and owned, which the
// contract spells as fields of their own.
var flagNames = []struct {
	flag model.Flags
	name string
}{
	{model.Linger0, "linger0"}, {model.Linger2Neg, "linger2_negative"}, {model.KeepOpen, "keepalive"},
	{model.HasSocket, "has_socket"}, {model.Repair, "repair"}, {model.MPTCP, "mptcp"},
	{model.UserTimeout, "user_timeout"}, {model.Kernel, "kernel"}, {model.KThread, "kthread"},
	{model.Inherited, "inherited"}, {model.Rescued, "rescued"}, {model.TFO, "tfo"}, {model.Stale, "stale"},
}

func evidence(b []byte, v *model.Evidence) []byte {
	b = strconv.AppendUint(append(b, `,"evidence":{"err":`...), uint64(v.Err), 10)
	b = strconv.AppendUint(append(b, `,"err_soft":`...), uint64(v.ErrSoft), 10)
	b = strconv.AppendUint(append(b, `,"shutdown":`...), uint64(v.Shutdown), 10)
	b = strconv.AppendBool(append(b, `,"dead":`...), v.Has(model.Dead))
	b = strconv.AppendBool(append(b, `,"done":`...), v.Has(model.Done))
	b = strconv.AppendBool(append(b, `,"owned":`...), v.Has(model.Owned))
	b = strconv.AppendUint(append(b, `,"snd_una":`...), uint64(v.SndUna), 10)
	b = strconv.AppendUint(append(b, `,"snd_nxt":`...), uint64(v.SndNxt), 10)
	b = strconv.AppendUint(append(b, `,"rcv_nxt":`...), uint64(v.RcvNxt), 10)
	b = strconv.AppendUint(append(b, `,"write_seq":`...), uint64(v.WriteSeq), 10)
	b = strconv.AppendUint(append(b, `,"copied_seq":`...), uint64(v.CopiedSeq), 10)
	b = strconv.AppendUint(append(b, `,"bytes_acked":`...), v.BytesAcked, 10)
	b = strconv.AppendUint(append(b, `,"bytes_received":`...), v.BytesReceived, 10)
	b = strconv.AppendUint(append(b, `,"retransmits":`...), uint64(v.Retransmits), 10)
	b = strconv.AppendUint(append(b, `,"probes":`...), uint64(v.Probes), 10)
	b = append(b, `,"flags":[`...)
	first := true
	for i := range flagNames {
		f := &flagNames[i]
		if v.Flags&f.flag == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, f.name...)
		b = append(b, '"')
	}
	return append(b, ']', '}')
}

func number(b []byte, name string, n uint64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendUint(b, n, 10)
}

func text(b []byte, name, s string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':', '"')
	b = escape(b, s)
	return append(b, '"')
}

// escape escapes what JSON must have escaped in text that is printable already.
func escape(b []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			b = append(b, s[start:i]...)
			b = append(b, '\\')
			start = i
		}
	}
	return append(b, s[start:]...)
}

// appendLine appends a line of JSON from a recording. A recording may hold
// anything: what is not plainly visible is escaped.
func appendLine(b, line []byte) []byte {
	for i, part := range strings.Split(string(line), `\`) { // an escape of JSON stays one
		if i > 0 {
			b = append(b, '\\')
		}
		if printable.String(part) == part {
			b = append(b, part...)
			continue
		}
		b = appendASCII(b, part)
	}
	return b
}

func appendASCII(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r >= 0x20 && r < 0x7f:
			b = append(b, byte(r))
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, hi, lo)
		}
	}
	return b
}
