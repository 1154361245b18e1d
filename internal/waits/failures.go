package waits

import (
	"maps"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// maxRoutes bounds the destinations of which failures are counted.
const maxRoutes = 1 << 14

// Failures is a Sink that counts the connects that got no port, by destination: a
// socket that goes from SYN_SENT to CLOSE in its own connect() and never had a
// local port (tcp_v4_connect, tcp_v6_connect: inet_hash_connect found none). The
// zero value has counted nothing.
type Failures struct {
	routes map[Route]uint64
	Others uint64 // of destinations for which there was no room
}

// Observe implements track.Sink. It runs in the goroutine that reads the ring.
func (f *Failures) Observe(o *track.Observation) {
	ev := &o.Event
	if ev.Kind != events.Transition || ev.From != model.SynSent || ev.To != model.Close || ev.Lport != 0 || ev.Err != 0 || !ev.Has(model.Owned) {
		return
	}
	k := Route{Netns: ev.Netns, Family: ev.Family, Dest: ev.Daddr, Port: ev.Rport}
	if f.routes == nil {
		f.routes = map[Route]uint64{}
	}
	if _, ok := f.routes[k]; !ok && len(f.routes) == maxRoutes {
		f.Others++
		return
	}
	f.routes[k]++
}

// Clone returns a copy.
func (f *Failures) Clone() Failures { return Failures{maps.Clone(f.routes), f.Others} }

// AddTo fills in the failures of a Report's destinations: they are of all source
// addresses, as the kernel may forget which it was.
func (f *Failures) AddTo(r *Report) {
	for i := range r.Pressure {
		p := &r.Pressure[i]
		p.Failed = f.routes[Route{Netns: p.Netns, Family: p.Family, Dest: p.Dest, Port: p.Port}]
	}
}
