package record

import (
	"fmt"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// life reads the summary of a closed line. A reason that this version does not
// know is unknown; the line itself is handed on as it is.
func (l *Line) life() (*events.Life, error) {
	life := &events.Life{
		Before: l.Began == "before", Complete: l.Whole, Duration: l.Took,
		SYN: l.Rtx.SYN, SYNACK: l.Rtx.SYNACK, FIN: l.Rtx.FIN, Data: l.Rtx.Data, Failed: l.Rtx.Failed,
		Fast: l.Rtx.Fast, Probe: l.Rtx.Probe, Last: l.Rtx.Last, Over: l.Rtx.OverNS,
	}
	life.Reason, _ = model.ParseCloseReason(l.Close)
	life.By, _ = model.ParseCloser(l.ClosedB)
	for _, stage := range l.History {
		state, err := parseState(stage.State)
		if err != nil {
			return nil, fmt.Errorf("parse history: %w", err)
		}
		ns := int64(-1)
		if stage.NS != nil && *stage.NS <= l.Took {
			ns = int64(*stage.NS)
		}
		life.Stages = append(life.Stages, events.Stage{State: state, NS: ns})
	}
	return life, nil
}
