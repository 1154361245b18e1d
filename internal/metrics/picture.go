package metrics

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// picture is what a scrape tells of the table: counts, not rows.
type picture struct {
	grouped  bool // count by process, too
	stats    track.Stats
	capacity int
	entries  int
	sockets  [model.NumStates][2]int // IPv4, IPv6
	oldest   [model.NumStates]int64  // ns, -1 for none
	byComm   map[[16]byte]*byState
}

// maxComms bounds the names that are told apart while they are counted; the sockets
// of the others are _other's.
const maxComms = 1 << 14

// take counts. The stream waits meanwhile.
func (p *picture) take(t Table) {
	p.stats, p.capacity = t.Stats(), t.Capacity()
	for i := range p.oldest {
		p.oldest[i] = -1
	}
	if p.grouped {
		p.byComm = map[[16]byte]*byState{{}: {}}
	}
	now := t.Time()
	t.Each(func(r *track.Row) {
		p.entries++
		if r.EndTime != 0 && !r.Held() {
			return
		}
		p.count(r, now)
	})
}

func (p *picture) count(r *track.Row, now uint64) {
	s, family := known(r.State), 0
	if r.Family == events.IPv6 {
		family = 1
	}
	p.sockets[s][family]++
	p.oldest[s] = max(p.oldest[s], r.InState(now))
	if !p.grouped {
		return
	}
	comm := cut(r.Owner.Comm)
	n := p.byComm[comm]
	switch {
	case n == nil && len(p.byComm) >= maxComms:
		n = p.byComm[[16]byte{}]
	case n == nil:
		n = new(byState)
		p.byComm[comm] = n
	}
	n[s]++
}

func (p *picture) collectStats(e emitter) {
	s := &p.stats
	for where, n := range s.Lost {
		e.counter(lost, n, events.Where(where).String())
	}
	for end, n := range s.MiniEnds {
		if n > 0 {
			e.counter(timeWaitEnds, n, model.TimeWaitEnd(end).String())
		}
	}
	e.counter(unjudged, s.Unjudged)
	e.counter(mismatch, s.Mended.Missing, "missing")
	e.counter(mismatch, s.Mended.Phantom, "phantom")
	e.counter(mismatch, s.Mended.State, "state")
	e.gauge(tableEntries, float64(p.entries), "sockets")
	e.gauge(tableRoom, float64(p.capacity), "sockets")
	e.counter(evicted, s.Evicted, "sockets")
}

func (p *picture) collectSockets(e emitter) {
	for s := model.Established; s < model.NumStates; s++ {
		e.gauge(sockets, float64(p.sockets[s][0]), stateName(s), "ipv4")
		e.gauge(sockets, float64(p.sockets[s][1]), stateName(s), "ipv6")
		if p.oldest[s] >= 0 {
			e.gauge(stateAge, float64(p.oldest[s])/1e9, stateName(s))
		}
	}
}
