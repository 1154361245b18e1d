package view

import (
	"strconv"

	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// synQueue spells the length of a listener's SYN queue and its limit; of a
// half-open connection, how often its SYN-ACK was sent again.
func synQueue(o *track.Observation) string {
	switch o.Event.To {
	case model.Listen:
		if q := o.Event.Queues(); q.Known {
			return strconv.FormatUint(uint64(q.SYN), 10) + "/" + strconv.FormatUint(uint64(q.SYNLimit), 10)
		}
	case model.NewSynRecv:
		return strconv.Itoa(int(o.Event.Count)) + " again"
	}
	return "-"
}

// unaccepted spells how many connections of a listener wait to be accepted.
func unaccepted(o *track.Observation) string {
	if o.Listen == nil || o.Listen.Unaccepted < 0 {
		return "-"
	}
	return strconv.Itoa(o.Listen.Unaccepted)
}

// listenFields are the columns of CSV that only a listener has.
func listenFields(f map[string]string, o *track.Observation) {
	if o.Event.To != model.Listen {
		return
	}
	if q := o.Event.Queues(); q.Known {
		f["syn_queue"], f["syn_limit"] = u(uint64(q.SYN)), u(uint64(q.SYNLimit))
	}
	if o.Listen != nil && o.Listen.Unaccepted >= 0 {
		f["unaccepted"] = strconv.Itoa(o.Listen.Unaccepted)
	}
}
