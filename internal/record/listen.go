package record

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// listen writes what a row tells of a listener: how full its queues are, what
// its namespace counted, and evidence.
func listen(b []byte, o *track.Observation) []byte {
	if q := o.Event.Queues(); q != (events.Queues{}) { // else only an fd told of it
		b = backlog(b, q, o.Listen)
	}
	if l := o.Listen; l != nil && l.Counters != nil {
		b = counters(b, l.Counters)
	}
	facts := o.Event.Evidence
	facts.BytesAcked, facts.BytesReceived = 0, 0 // the queues stand there
	return evidence(b, &facts)
}

func backlog(b []byte, q events.Queues, more *events.Listen) []byte {
	b = append(b, `,"listen":{"accept_queue":`...)
	b = strconv.AppendUint(b, uint64(q.Accept), 10)
	b = number(b, "accept_limit", uint64(q.AcceptLimit))
	if q.Known {
		b = number(b, "syn_queue", uint64(q.SYN))
		b = number(b, "syn_limit", uint64(q.SYNLimit))
		b = number(b, "syn_young", uint64(q.Young))
	}
	if more != nil && more.Unaccepted >= 0 {
		b = number(b, "unaccepted", uint64(more.Unaccepted))
	}
	return append(b, '}')
}

func counters(b []byte, c *events.Counters) []byte {
	b = append(b, `,"netns_counters":{`...)
	first := true
	for n := range events.NumCounters {
		value, ok := c.Get(n)
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, n.String()...)
		b = append(b, '"', ':')
		b = strconv.AppendUint(b, value, 10)
	}
	return append(b, '}')
}

// halfOpen writes how often the SYN-ACK of a half-open connection, or of one that
// was half-open until now, was sent again.
func halfOpen(b []byte, ev *events.Event) []byte {
	b = append(b, `,"retransmits":{"synack":`...)
	b = strconv.AppendUint(b, uint64(ev.Count), 10)
	return append(b, '}')
}

// handshaking fills ev from the line of a connection found in its handshake.
func (l *Line) handshaking(ev *events.Event) {
	if ev.To == model.SynSent && l.InState != nil {
		ev.SetAges(events.Ages{Segment: *l.InState, Received: -1, Sent: -1})
	}
	if ev.To != model.NewSynRecv {
		return
	}
	if l.InState != nil {
		ev.BytesAcked = uint64(*l.InState)
	}
	ev.Count = uint8(min(l.Rtx.SYNACK, math.MaxUint8))
}

// Backlog is how full the queues of a listener were.
type Backlog struct {
	Accept      uint32  `json:"accept_queue"`
	AcceptLimit uint32  `json:"accept_limit"`
	SYN         *uint32 `json:"syn_queue"`
	SYNLimit    uint32  `json:"syn_limit"`
	Young       uint32  `json:"syn_young"`
	Unaccepted  *uint32 `json:"unaccepted"`
}

// listener fills ev from the line of a listener found.
func (l *Line) listener(ev *events.Event) {
	q := events.Queues{Accept: l.RecvQ, AcceptLimit: l.SendQ} // all that older recordings have
	if k := l.Listen; k != nil {
		q.Accept, q.AcceptLimit = k.Accept, k.AcceptLimit
		if k.SYN != nil {
			q.SYN, q.SYNLimit, q.Young, q.Known = *k.SYN, k.SYNLimit, k.Young, true
		}
	}
	ev.SetQueues(q)
	more := events.Listen{Unaccepted: -1}
	if k := l.Listen; k != nil && k.Unaccepted != nil {
		more.Unaccepted = int(*k.Unaccepted)
	}
	if l.Counters != nil {
		more.Counters = (*events.Counters)(l.Counters)
	}
	if more.Unaccepted >= 0 || more.Counters != nil {
		ev.Recorded.Listen = &more
	}
}

// Counters are the counters of a line. Those that this version does not know
// are left out.
type Counters events.Counters

// UnmarshalJSON implements json.Unmarshaler.
func (c *Counters) UnmarshalJSON(b []byte) error {
	var all map[string]uint64
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("parse counters: %w", err)
	}
	for name, value := range all {
		if n, ok := events.ParseCounter(name); ok {
			(*events.Counters)(c).Set(n, value)
		}
	}
	return nil
}
