package waits

import (
	"cmp"
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// Pressure is how many of the ports that connect() may choose are taken towards
// one destination from one source address: there, and only there, ports run out.
type Pressure struct {
	Netns        uint32
	Family       events.Family
	Source, Dest [16]byte
	Port         uint16
	Used         int     // connections from ports that connect() may choose
	TimeWait     int     // of those, mini-sockets in TIME_WAIT
	Reusable     int     // of those, the ones that connect() may take over now (tcp_tw_reuse)
	Usable       int     // ports there are to choose from
	Rate         float64 // ports more per minute, NaN if not measured
	Left         int64   // ns until no port is left at that rate; -1 if that is not foreseen
	Failed       uint64  // connects that got no port, as far as they were watched
}

// Taken is how many ports connect() cannot choose for this destination.
func (p *Pressure) Taken() int { return p.Used - p.Reusable }

// Ratio is the part of the ports that is taken, 0 to 1.
func (p *Pressure) Ratio() float64 {
	if p.Usable <= 0 {
		return 0
	}
	return float64(p.Taken()) / float64(p.Usable)
}

// Space is a network namespace.
type Space struct {
	Netns    uint32
	Settings *Settings // nil if they cannot be read
	TimeWait int       // mini-sockets in TIME_WAIT or FIN_WAIT2
	Overflow uint64    // how often there was no room for one (TCPTimeWaitOverflow); see Counted
	Counted  bool      // Overflow is known
	// Bound are the ports that are only bound, if BoundKnown: see Options.Bound.
	Bound      []uint16
	BoundKnown bool
}

// Route is a destination and the source address of the connections to it.
type Route struct {
	Netns        uint32
	Family       events.Family
	Source, Dest [16]byte
	Port         uint16
}

// Route returns what p is about.
func (p *Pressure) Route() Route { return Route{p.Netns, p.Family, p.Source, p.Dest, p.Port} }

// ports collects the local ports of connections that may be our own: nobody
// listens on them.
type ports map[Route]*[]port

// port is one connection of ours.
type port struct {
	number   uint16
	timeWait bool
	age      int64
}

func (p ports) add(e *entry) {
	if e.rport == 0 || e.lport == 0 || e.state == model.NewSynRecv || e.state == model.SynRecv {
		return
	}
	k := Route{e.netns, e.family, e.saddr, e.daddr, e.rport}
	all := p[k]
	if all == nil {
		all = new([]port)
		p[k] = all
	}
	waits := e.state == model.TimeWait && e.substate == model.TimeWait
	*all = append(*all, port{e.lport, waits, e.age})
}

// spaces returns the namespaces of all that was kept.
func (c *Collector) spaces() map[uint32]*Space {
	all := map[uint32]*Space{}
	space := func(netns uint32) *Space {
		s := all[netns]
		if s == nil {
			s = &Space{Netns: netns}
			if c.options.Settings != nil {
				s.Settings = c.options.Settings(netns)
			}
			all[netns] = s
		}
		return s
	}
	for e := range c.all {
		if s := space(e.netns); e.state == model.TimeWait {
			s.TimeWait++
		}
	}
	for _, l := range c.order {
		s := space(l.Netns)
		if l.Counters != nil && !s.Counted {
			s.Overflow, s.Counted = l.Counters.Get(events.TimeWaitOverflow)
		}
	}
	return all
}

func (p ports) pressure(spaces map[uint32]*Space, listening map[door]*Listener) (all []Pressure) {
	taken := map[uint32]int{} // by listeners: connect() passes them by
	for d := range listening {
		if s := spaces[d.netns]; s != nil && s.Settings != nil && s.Settings.ephemeral(d.port) {
			taken[d.netns]++
		}
	}
	for k, used := range p {
		settings := spaces[k.Netns].Settings
		if settings == nil {
			continue
		}
		one := Pressure{
			Netns: k.Netns, Family: k.Family, Source: k.Source, Dest: k.Dest, Port: k.Port,
			Usable: settings.Usable() - taken[k.Netns], Rate: unmeasured(), Left: -1,
		}
		for _, u := range *used {
			if !settings.ephemeral(u.number) {
				continue
			}
			one.Used++
			if u.timeWait {
				one.TimeWait++
				if settings.reusable(&k, u.age) {
					one.Reusable++
				}
			}
		}
		if one.Used > 0 {
			all = append(all, one)
		}
	}
	sortPressure(all)
	return all
}

func sortPressure(all []Pressure) {
	slices.SortFunc(all, func(a, b Pressure) int {
		return cmp.Or(cmp.Compare(b.Ratio(), a.Ratio()), cmp.Compare(b.Used, a.Used), cmp.Compare(a.Netns, b.Netns),
			slices.Compare(a.Dest[:], b.Dest[:]), cmp.Compare(a.Port, b.Port), slices.Compare(a.Source[:], b.Source[:]))
	})
}

// lessBound takes the ports that are only bound off those that there are to choose
// from: connect() passes them by, too.
func (c *Collector) lessBound(all []Pressure, spaces map[uint32]*Space) {
	if c.options.Bound == nil {
		return
	}
	taken := map[uint32]int{}
	for i := range all {
		netns := all[i].Netns
		if _, asked := taken[netns]; !asked {
			s := spaces[netns]
			s.Bound, s.BoundKnown = c.options.Bound(netns)
			taken[netns] = c.boundOnly(s)
		}
		all[i].Usable -= taken[netns]
	}
	sortPressure(all)
}

// boundOnly counts the ports of s that connect() could choose, were they not bound.
func (c *Collector) boundOnly(s *Space) (n int) {
	for _, number := range s.Bound {
		if s.Settings.ephemeral(number) && c.listening[door{s.Netns, number}] == nil {
			n++
		}
	}
	return n
}

// reusable reports whether connect() may take over a mini-socket of that age, if
// the peer sends timestamps as this side does (tcp_twsk_unique).
func (s *Settings) reusable(k *Route, age int64) bool {
	if s.Timestamps == 0 || age < s.TWReuseDelay {
		return false
	}
	switch s.TWReuse {
	case 1:
		return true
	case 2:
		return loopback(k.Family, &k.Source) || loopback(k.Family, &k.Dest)
	}
	return false
}

func loopback(f events.Family, a *[16]byte) bool { return events.Addr(f, a).Unmap().IsLoopback() }
