package check

import (
	"fmt"

	"github.com/tcpwatch/tcpwatch/model"
)

// Nagios is the result in the one line that Nagios and Icinga read, with the exit
// code that they expect: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
func (r *Result) Nagios() (line string, code int) {
	status := "OK"
	switch {
	case r.Verdicts[model.Impossible] > 0 || r.Failed > 0:
		status, code = "CRITICAL", 2
	case len(r.Breaches) > 0:
		status, code = "WARNING", 1
	case !r.Proven():
		status, code = "UNKNOWN", 3
	}
	text := r.Summary()
	for _, b := range r.Breaches {
		text += "; " + b.Text
	}
	data := fmt.Sprintf("connections=%d failed=%d", r.Lives, r.Failed)
	for _, v := range []model.Verdict{model.Normal, model.Notable, model.Abnormal, model.Impossible, model.Unjudged} {
		data += fmt.Sprintf(" %s=%d", v, r.Verdicts[v])
	}
	return fmt.Sprintf("TCPWATCH %s - %s | %s", status, text, data), code
}
