package alert

// phase is where an instance of a rule is: inactive, pending until `for` has
// passed, firing, and then inactive again.
type phase uint8

const (
	inactive phase = iota
	pending
	firing
)

// instance is what a rule has to say of one group.
type instance struct {
	phase    phase
	since    uint64 // ns since boot when it became pending
	began    uint64 // when it began to fire
	clearing uint64 // since when it would be over but for keep_firing_for; 0 if it is not
	sent     uint64 // when it was last told
	told     bool   // that it fires; else a limit holds it back
	held     bool   // that it was held back has been counted
	value    float64
	lost     uint64 // events lost from a window before it became pending until now
	base     uint64 // all losses until then
	alert    Alert  // as it was last told
}

// step moves on to time now. on says whether the rule's expr holds, off whether the
// alert is over if it fires. It reports whether the alert has just ended.
func (i *instance) step(r *Rule, now uint64, on, off bool) (ended bool) {
	switch i.phase {
	case inactive:
		if !on {
			return false
		}
		i.phase, i.since = pending, now
	case pending:
		if !on {
			i.phase = inactive
			return false
		}
	case firing:
		return i.burn(r, now, off)
	}
	if now-i.since >= uint64(r.For) {
		i.phase, i.began, i.clearing, i.told, i.held = firing, now, 0, false, false
	}
	return false
}

// burn keeps an alert firing until it is off for as long as the rule says.
func (i *instance) burn(r *Rule, now uint64, off bool) (ended bool) {
	if !off {
		i.clearing = 0
		return false
	}
	if i.clearing == 0 {
		i.clearing = now
	}
	if now-i.clearing < uint64(r.KeepFiringFor) {
		return false
	}
	i.phase = inactive
	return true
}

// limiter lets at most burst alerts begin within any time as long as per.
type limiter struct {
	limit Limit
	times []uint64 // of the newest, oldest first
}

// allow reports whether one more may be told at time now, and counts it if so.
func (l *limiter) allow(now uint64) bool {
	if l.limit.Burst == 0 {
		return true
	}
	for len(l.times) > 0 && now-l.times[0] >= uint64(l.limit.Per) {
		l.times = l.times[1:]
	}
	if len(l.times) >= l.limit.Burst {
		return false
	}
	l.times = append(l.times, now)
	return true
}
