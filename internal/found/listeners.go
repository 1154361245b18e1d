package found

import (
	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// listeners are the sockets in LISTEN and their owners. Whoever owns a listener
// will own what waits in its queues. In a namespace the kernel shows them before
// all others.
type listeners map[place][]listener

// place is where connections arrive. A child has its listener's family, also
// where an IPv6 listener takes IPv4.
type place struct {
	netns  uint32
	port   uint16
	family events.Family
}

type listener struct {
	sk     uint64
	addr   [16]byte
	queued bool         // something waits to be accepted
	owner  events.Owner // PID 0 if it is not known
}

func placeOf(ev *events.Event) place { return place{ev.Netns, ev.Lport, ev.Family} }

func (l listeners) add(ev *events.Event, h *holders) {
	n := listener{sk: ev.SK, addr: ev.Saddr}
	length, _ := ev.AcceptQueue()
	n.queued = length > 0
	if h != nil {
		n.owner = ownerOf(&h.first)
	}
	p := placeOf(ev)
	l[p] = append(l[p], n)
}

// bequeath makes the owner of a waiting row that of its listener. A request
// names its listener. A full socket does not: all that could be are looked at,
// those in whose queue something waits and that listen on its address or on any;
// where they belong to several processes, nobody is named.
func (l listeners) bequeath(row *events.Event, to *events.Owner) {
	var heir *events.Owner
	request := row.To == model.NewSynRecv
	for i := range l[placeOf(row)] {
		n := &l[placeOf(row)][i]
		switch {
		case request && n.sk != row.Listener():
			continue
		case !request && (!n.queued || n.addr != row.Saddr && n.addr != ([16]byte{})):
			continue
		}
		if n.owner.PID == 0 || heir != nil && heir.PID != n.owner.PID {
			return
		}
		heir = &n.owner
	}
	if heir != nil {
		*to = events.Owner{Seen: heir.Seen, PID: heir.PID, FD: -1, Comm: heir.Comm, Provenance: events.ProvenanceInherited, Note: to.Note}
	}
}
