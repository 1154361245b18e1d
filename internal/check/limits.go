package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/model"
)

// Limits are what may build up, at the end of the check.
type Limits struct {
	CloseWait int                           // sockets in CLOSE_WAIT; below 0: any number
	Age       map[model.State]time.Duration // in a state, as far as it was seen
	Pressure  float64                       // part of the ports towards one destination, 0 to 1; 0: any
}

// Breach is a limit that was passed.
type Breach struct {
	Limit string // max-close-wait, max-age CLOSE_WAIT, max-port-pressure
	Text  string
}

// ParseAge reads STATE=DURATION.
func ParseAge(text string) (model.State, time.Duration, error) {
	name, long, ok := strings.Cut(text, "=")
	if !ok {
		return 0, 0, fmt.Errorf("want STATE=DURATION, such as CLOSE_WAIT=60s")
	}
	state, ok := model.ParseState(name)
	if !ok {
		return 0, 0, fmt.Errorf("want a TCP state, not %q", name)
	}
	d, err := time.ParseDuration(long)
	if err == nil && d <= 0 {
		err = fmt.Errorf("want a positive duration, not %v", d)
	}
	return state, d, err
}

// Apply holds the sockets of rows and the ports of a report to the limits. now is
// in ns since boot.
func (l *Limits) Apply(r *Result, rows []track.Row, ports []waits.Pressure, now uint64) {
	waiting, old := 0, map[model.State]int{}
	for i := range rows {
		row := &rows[i]
		if row.EndTime != 0 {
			continue
		}
		if row.State == model.CloseWait {
			waiting++
		}
		if most, ok := l.Age[row.State]; ok && row.InState(now) > int64(most) {
			old[row.State]++
		}
	}
	if l.CloseWait >= 0 && waiting > l.CloseWait {
		r.breach("max-close-wait", "%s in CLOSE_WAIT, at most %d allowed", counted(waiting, "socket"), l.CloseWait)
	}
	for _, state := range model.States() {
		if n := old[state]; n > 0 {
			r.breach("max-age "+state.String(), "%s in %s for longer than %v", counted(n, "socket"), state, l.Age[state])
		}
	}
	for i := range ports {
		if p := &ports[i]; l.Pressure > 0 && p.Ratio() > l.Pressure {
			r.breach("max-port-pressure", "%d of %d ports to port %d of one destination are taken, at most %.0f%% are allowed",
				p.Taken(), p.Usable, p.Port, 100*l.Pressure)
		}
	}
}

func (r *Result) breach(limit, format string, args ...any) {
	r.Breaches = append(r.Breaches, Breach{limit, fmt.Sprintf(format, args...)})
}
