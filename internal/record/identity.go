package record

import (
	"strconv"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// identity says which socket, and who: of a life mostly what the line before said, so
// the newest are kept.
func (e *Encoder) identity(b []byte, o *track.Observation) []byte {
	if o.ID == 0 || o.Holders != nil {
		return actor(bearings(b, o), o)
	}
	kept := e.identities.of(o.ID)
	if key := identityOf(o); kept.identity != key {
		kept.text = bearings(kept.text[:0], o)
		kept.identity = key
	}
	return actor(append(b, kept.text...), o)
}

// identities is a cache by the number of a life.
type identities struct{ slots []keptIdentity }

// keptIdentities is how many lives it holds, of those that a host is busy with at a
// time. Each takes some hundred bytes.
const keptIdentities = 1 << 10

type keptIdentity struct {
	identity
	text []byte
}

func (c *identities) of(id uint64) *keptIdentity {
	if c.slots == nil {
		c.slots = make([]keptIdentity, keptIdentities)
	}
	return &c.slots[id%keptIdentities]
}

// identity is all that bearings writes.
type identity struct {
	id, cookie, netnsCookie uint64
	process                 *events.Process // whose texts do not change
	netnsName               string
	owner                   events.Owner
	saddr, daddr            [16]byte
	netns                   uint32
	lport, rport            uint16
	family                  events.Family
	role                    model.Role
}

func identityOf(o *track.Observation) identity {
	ev := &o.Event
	return identity{
		id: o.ID, cookie: ev.Cookie, netnsCookie: ev.NetnsCookie, process: o.Process, netnsName: o.NetnsName,
		owner: o.Owner, saddr: ev.Saddr, daddr: ev.Daddr, netns: ev.Netns, lport: ev.Lport, rport: ev.Rport,
		family: ev.Family, role: o.Role,
	}
}

// bearings says which socket, and whose.
func bearings(b []byte, o *track.Observation) []byte {
	ev := &o.Event
	if o.ID != 0 {
		b = number(b, "socket", o.ID)
	}
	if ev.Cookie != 0 {
		b = append(b, `,"cookie":"`...)
		b = strconv.AppendUint(b, ev.Cookie, 16)
		b = append(b, '"')
	}
	b = number(b, "netns", uint64(ev.Netns))
	if ev.NetnsCookie != 0 {
		b = number(b, "netns_cookie", ev.NetnsCookie)
	}
	if o.NetnsName != "" {
		b = text(b, "netns_name", printable.String(o.NetnsName))
	}
	b = text(b, "family", ev.Family.String())
	b = append(b, `,"laddr":"`...)
	b = events.Addr(ev.Family, &ev.Saddr).AppendTo(b)
	b = append(b, '"')
	b = number(b, "lport", uint64(ev.Lport))
	b = append(b, `,"raddr":"`...)
	b = events.Addr(ev.Family, &ev.Daddr).AppendTo(b)
	b = append(b, '"')
	b = number(b, "rport", uint64(ev.Rport))
	b = text(b, "role", o.Role.String())
	b = append(b, `,"owner":{`...)
	b = owner(b, o)
	return append(b, '}')
}

// actor says who did it, where that was seen.
func actor(b []byte, o *track.Observation) []byte {
	ev := &o.Event
	if ev.Has(model.Owned) && !ev.Has(model.Inherited) && ev.Kind != events.Closed && ev.Kind != events.Inventory {
		b = append(b, `,"actor":{"pid":`...)
		b = strconv.AppendUint(b, uint64(ev.PID), 10)
		b = appendComm(b, &ev.Comm)
		b = append(b, '}')
	}
	return b
}

// appendComm appends a process name: as it is, if nothing in it needs a second
// look.
func appendComm(b []byte, comm *[16]byte) []byte {
	n := 0
	for ; n < len(comm) && comm[n] != 0; n++ {
		if c := comm[n]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return text(b, "comm", printable.Comm(comm))
		}
	}
	b = append(b, `,"comm":"`...)
	b = append(b, comm[:n]...)
	return append(b, '"')
}
