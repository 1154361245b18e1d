package view

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// CSV writes one record per observation, the same columns for all kinds; what
// a kind does not have is empty.
type CSV struct {
	Headers bool
	Epoch   int64 // wall clock at 0 of the events' clock, ns since 1970

	out   *csv.Writer
	begun bool
}

// NewCSV writes to w.
func NewCSV(w io.Writer) *CSV { return &CSV{out: csv.NewWriter(w), Headers: true} }

// New columns go to the end: scripts count them.
var csvHeader = []string{
	"event", "time", "mono_ns", "socket", "cookie", "netns", "netns_cookie", "family", "laddr", "lport", "raddr", "rport",
	"role", "owner_pid", "owner_comm", "owner_fd", "owner_provenance", "from", "to", "in_state_ns", "verdict", "rule",
	"state", "recv_q", "send_q", "kind", "seq", "count", "where", "close_reason", "closed_by", "duration_ns",
	"substate", "end", "successor",
	"syn_queue", "syn_limit", "unaccepted",
	"owner_note", "owner_container", "owner_unit", "owner_holders", "netns_name",
}

// Write implements sink.Writer.
func (c *CSV) Write(o *track.Observation) error {
	if !c.begun {
		c.begun = true
		if c.Headers {
			if err := c.out.Write(csvHeader); err != nil {
				return fmt.Errorf("write csv: %w", err)
			}
		}
	}
	if err := c.out.Write(c.fields(o)); err != nil {
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}

// Flush implements sink.Writer.
func (c *CSV) Flush() error {
	c.out.Flush()
	if err := c.out.Error(); err != nil {
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}

func (c *CSV) fields(o *track.Observation) []string {
	ev := &o.Event
	f := make(map[string]string, len(csvHeader))
	f["event"] = ev.Kind.String()
	f["time"] = string(record.AppendTime(nil, c.Epoch+int64(ev.Time)))
	f["mono_ns"] = u(ev.Time)
	if ev.Kind == events.Lost {
		f["count"], f["where"] = u(ev.LostCount), ev.Where.String()
		return inOrder(f)
	}
	if o.ID != 0 {
		f["socket"] = u(o.ID)
	}
	if ev.Cookie != 0 {
		f["cookie"] = strconv.FormatUint(ev.Cookie, 16)
	}
	f["netns"] = u(uint64(ev.Netns))
	if ev.NetnsCookie != 0 {
		f["netns_cookie"] = u(ev.NetnsCookie)
	}
	f["family"] = ev.Family.String()
	f["laddr"], f["lport"] = events.Addr(ev.Family, &ev.Saddr).String(), u(uint64(ev.Lport))
	f["raddr"], f["rport"] = events.Addr(ev.Family, &ev.Daddr).String(), u(uint64(ev.Rport))
	f["role"], f["owner_provenance"] = o.Role.String(), o.Owner.Provenance.String()
	f["owner_note"], f["netns_name"] = o.Owner.Note.String(), noFormula(printable.String(o.NetnsName))
	if o.Holding > 0 {
		f["owner_holders"] = strconv.Itoa(o.Holding)
	}
	if o.Owner.Named() {
		if p := o.Process; p != nil {
			f["owner_container"], f["owner_unit"] = noFormula(printable.String(p.Container)), noFormula(printable.String(p.Unit))
		}
		f["owner_pid"], f["owner_comm"] = u(uint64(o.Owner.PID)), noFormula(printable.Comm(&o.Owner.Comm))
		if o.Owner.FD >= 0 {
			f["owner_fd"] = strconv.Itoa(int(o.Owner.FD))
		}
	}
	c.special(f, o)
	return inOrder(f)
}

func (c *CSV) special(f map[string]string, o *track.Observation) {
	ev := &o.Event
	f["state"] = ev.To.String()
	switch ev.Kind {
	case events.Transition:
		f["from"], f["to"] = ev.From.String(), ev.To.String()
		f["verdict"], f["rule"] = o.Judgement.Verdict.String(), o.Judgement.Rule.String()
		if o.InState >= 0 {
			f["in_state_ns"] = u(uint64(o.InState))
		}
	case events.Inventory:
		recv, send := record.Queues(ev)
		f["recv_q"], f["send_q"] = u(uint64(recv)), u(uint64(send))
		if o.InState >= 0 {
			f["in_state_ns"] = u(uint64(o.InState))
		}
		listenFields(f, o)
	case events.Mini:
		f["substate"], f["in_state_ns"] = ev.From.String(), ""
		if o.MiniEnded {
			end, _ := model.TimeWaitEndOf(o.Judgement.Rule)
			f["end"] = end.String()
			f["verdict"], f["rule"] = o.Judgement.Verdict.String(), o.Judgement.Rule.String()
			if o.InState >= 0 {
				f["in_state_ns"] = u(uint64(o.InState))
			}
			if o.Successor != 0 {
				f["successor"] = u(o.Successor)
			}
		}
	case events.Retransmit, events.SynAck:
		f["kind"], f["seq"], f["count"] = o.Segment.String(), u(uint64(ev.Seq())), u(uint64(o.Count))
	case events.ResetSent:
		f["kind"] = "sent"
	case events.ResetReceived:
		f["kind"] = "received"
	case events.Closed:
		if s := o.Socket; s != nil {
			if f["close_reason"], f["closed_by"] = s.End.Reason.String(), s.End.By.String(); s.Open() {
				f["event"], f["close_reason"] = "open", ""
			}
			f["duration_ns"] = u(s.Lasted(ev.Time))
			f["verdict"], f["rule"] = o.Judgement.Verdict.String(), o.Judgement.Rule.String()
		}
	}
}

// noFormula keeps a spreadsheet from taking a process name for a formula.
func noFormula(s string) string {
	if strings.IndexAny(s, "=+-@") == 0 {
		return "'" + s
	}
	return s
}

func u(n uint64) string { return strconv.FormatUint(n, 10) }

func inOrder(f map[string]string) []string {
	row := make([]string, len(csvHeader))
	for i, name := range csvHeader {
		row[i] = f[name]
	}
	return row
}
