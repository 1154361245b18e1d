package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/ladder"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/view"
	"github.com/tcpwatch/tcpwatch/model"
)

// ladders writes lives as sequence diagrams: one for both ends of a connection, where
// both are on this host.
type ladders struct {
	view    view.Ladders
	env     *env
	waiting []*track.Socket // ended, and their other end may end soon; oldest first
	here    map[netip.Addr]bool
}

const (
	// maxWaiting bounds the lives whose other end is awaited.
	maxWaiting = 4096
	// maxHere bounds the addresses of this host that are remembered.
	maxHere = 4096
	// endsApart is by how much one end may outlive the other for both to be drawn
	// together, in ns: what stays longer is drawn alone.
	endsApart = 5e9
)

func (l *ladders) Write(o *track.Observation) error {
	if o.Event.Kind == events.Lost {
		_, err := fmt.Fprintln(l.env.stdout, l.view.History.Style.Loss(view.Lost(&o.Event)))
		return err
	}
	for len(l.waiting) > 0 && (o.Event.Time > l.waiting[0].EndTime+endsApart || len(l.waiting) == maxWaiting) {
		if err := l.alone(); err != nil {
			return err
		}
	}
	s := o.Socket
	if s.Role == model.RoleListener {
		return l.view.History.Card(l.env.stdout, s, o.Event.Time)
	}
	if l.here == nil || len(l.here) == maxHere {
		l.here = map[netip.Addr]bool{}
	}
	l.here[events.Addr(s.Family, &s.Saddr).Unmap()] = true
	i := slices.IndexFunc(l.waiting, func(other *track.Socket) bool { return ladder.Matches(other, s) })
	switch {
	case i >= 0:
		both := ladder.Join(l.waiting[i], s)
		err := l.view.Write(l.env.stdout, &both)
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return err
	case l.isHere(s) && !s.Open():
		kept := *s // s is the table's
		l.waiting = append(l.waiting, &kept)
		return nil
	}
	one := ladder.Of(s)
	return l.view.Write(l.env.stdout, &one)
}

// isHere reports whether there is another end, and it is on this host, as far as its
// address tells: it was seen to be an end's.
func (l *ladders) isHere(s *track.Socket) bool {
	other := events.Addr(s.Family, &s.Daddr).Unmap()
	return s.Is(track.Established) && (other.IsLoopback() || l.here[other])
}

// alone writes the life that has waited longest.
func (l *ladders) alone() error {
	one := ladder.Of(l.waiting[0])
	err := l.view.Write(l.env.stdout, &one)
	l.waiting = slices.Delete(l.waiting, 0, 1)
	return err
}

func (l *ladders) Flush() error { return nil }

// Close writes those that still wait: nothing more comes.
func (l *ladders) Close() error {
	for len(l.waiting) > 0 {
		if err := l.alone(); err != nil {
			return err
		}
	}
	return nil
}
