package waits

// window is over how long a rate is measured, in ns: long enough to be steady,
// short enough to tell what happens now.
const window = 60e9

// shortest is the shortest time over which a rate is told, in ns.
const shortest = 1e9

// maxSeries bounds what a Meter remembers.
const maxSeries = 1 << 16

// Meter remembers Reports to tell how fast things grow.
type Meter struct {
	groups map[groupKey]*series
	routes map[Route]*series
}

// NewMeter returns one that has seen nothing.
func NewMeter() *Meter {
	return &Meter{groups: map[groupKey]*series{}, routes: map[Route]*series{}}
}

// series is how many there were, at some moments of the window, oldest first.
type series struct{ points []point }

type point struct {
	time  uint64 // ns since boot
	count int
}

// add notes a count, and returns how many more there are per minute, if that can
// be told.
func (s *series) add(time uint64, count int) (perMinute float64) {
	for len(s.points) > 1 && time-s.points[1].time >= window {
		s.points = s.points[1:]
	}
	s.points = append(s.points, point{time, count})
	first := s.points[0]
	if time-first.time < shortest {
		return unmeasured()
	}
	return float64(count-first.count) / (float64(time-first.time) / float64(minute))
}

// Measure fills in the rates of r, the newest Report, and what follows from them.
// Of a group or a route that Options.Top left out nothing is remembered.
func (m *Meter) Measure(r *Report) {
	groups, routes := map[groupKey]*series{}, map[Route]*series{}
	for s := range r.Sections {
		for i := range r.Sections[s].Groups {
			g := &r.Sections[s].Groups[i]
			k := groupKey{g.Section, g.Key}
			g.Rate = follow(m.groups, groups, k).add(r.Time, g.Count)
		}
	}
	for i := range r.Pressure {
		p := &r.Pressure[i]
		p.Rate = follow(m.routes, routes, p.Route()).add(r.Time, p.Taken())
		p.Left = left(p)
	}
	m.groups, m.routes = groups, routes // what is gone is forgotten
}

func follow[K comparable](before, now map[K]*series, k K) *series {
	s := before[k]
	if s == nil {
		s = &series{}
	}
	if len(now) < maxSeries {
		now[k] = s
	}
	return s
}

// left returns how long the ports of p last, in ns, or -1.
func left(p *Pressure) int64 {
	free := p.Usable - p.Taken()
	if free <= 0 {
		return 0
	}
	if !(p.Rate > 0) { // NaN, too
		return -1
	}
	ns := float64(free) / p.Rate * float64(minute)
	if ns > farAway {
		return -1
	}
	return int64(ns)
}

// farAway is from when on an end is not worth foreseeing, in ns: a day.
const farAway = 24 * 3600e9
