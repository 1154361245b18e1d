package waits

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
)

// advise writes the sentence that each part ends with: what is true on this host.
func (r *Report) advise() {
	for s := range r.Sections {
		p := &r.Sections[s]
		if p.Count > 0 {
			p.Advice = advice[s](r, p)
		}
	}
}

var advice = [NumSections]func(*Report, *Part) string{
	CloseWait: func(_ *Report, p *Part) string {
		return who(p) + " has to close its descriptors: no timer and no sysctl ends CLOSE_WAIT."
	},
	Held: func(_ *Report, p *Part) string {
		return who(p) + " has to close its descriptors: the connections are over, their memory is not free."
	},
	FinWait2: func(r *Report, p *Part) string {
		s := r.settingsOf(p)
		if s == nil {
			return "Orphans and mini-sockets end by themselves after tcp_fin_timeout; what a process holds waits for the peer."
		}
		return fmt.Sprintf("Orphans and mini-sockets end by themselves (tcp_fin_timeout is %v here); what a process holds waits for the peer, or for close().",
			time.Duration(s.FinTimeout))
	},
	HalfOpen: func(*Report, *Part) string {
		return "Nothing tells these ends before they send something: SO_KEEPALIVE or TCP_USER_TIMEOUT would. Where the other end is in SYN_RECV, its listener's accept queue is full."
	},
	SynSent: func(r *Report, p *Part) string {
		if s := r.settingsOf(p); s != nil {
			return fmt.Sprintf("The peer, or a firewall before it, drops the SYNs; connect() gives up after %d retries (tcp_syn_retries).", s.SYNRetries)
		}
		return "The peer, or a firewall before it, drops the SYNs."
	},
	SynRecv: func(*Report, *Part) string {
		return "The last ACK of these handshakes has not come: a flood of SYNs, packets lost on the way back, or a full accept queue (see the listeners)."
	},
	TimeWait: func(r *Report, p *Part) string {
		pays := whoPays(p)
		for i := range r.Spaces {
			if s := &r.Spaces[i]; s.Counted && s.Overflow > 0 {
				return fmt.Sprintf("In network namespace %d there was no room for %d of them since it began (tcp_max_tw_buckets): a late segment may be taken for a new connection's.", s.Netns, s.Overflow)
			}
		}
		if len(r.Pressure) > 0 && r.Pressure[0].Ratio() >= pressing {
			return "TIME_WAIT is normal; here it takes the ports of a destination: see the ports" + pays + "."
		}
		return "TIME_WAIT is normal: a minute each, without a descriptor, and it takes nothing but a port towards one destination" + pays + "."
	},
}

// whoPays says which side closed first, and so waits, for most of a part.
func whoPays(p *Part) string {
	if len(p.Groups) == 0 {
		return ""
	}
	g := &p.Groups[0]
	side := ""
	switch k := &g.Key; {
	case k.Lport != 0:
		side = fmt.Sprintf("as the server at port %d", k.Lport)
	case k.Rport != 0:
		side = fmt.Sprintf("as the client of %s", netip.AddrPortFrom(events.Addr(k.Family, &k.Raddr), k.Rport))
	default:
		return ""
	}
	if g.Count == p.Count {
		return "; this side closed first, " + side
	}
	return fmt.Sprintf("; of these %d, this side closed %d first %s", p.Count, g.Count, side)
}

// pressing is from which part of the ports on it is worth a thought.
const pressing = 0.5

// who names whoever has most of a part.
func who(p *Part) string {
	if len(p.Groups) == 0 || p.Groups[0].Key.PID == 0 {
		return "Whoever holds them"
	}
	k := &p.Groups[0].Key
	return fmt.Sprintf("%d/%s", k.PID, printable.Comm(&k.Comm))
}

func (r *Report) settingsOf(p *Part) *Settings {
	if len(p.Groups) == 0 {
		return nil
	}
	for i := range r.Spaces {
		if r.Spaces[i].Netns == p.Groups[0].Key.Netns {
			return r.Spaces[i].Settings
		}
	}
	return nil
}

// Advice says who has to accept, and what happens where there is no room left. s may
// be nil.
func (l *Listener) Advice(s *Settings) string {
	name := "Whoever listens"
	if l.PID != 0 {
		name = fmt.Sprintf("%d/%s", l.PID, printable.Comm(&l.Comm))
	}
	switch {
	case !l.Full():
		return fmt.Sprintf("%s has to accept; one more than %d may wait for it at port %d.", name, l.Queues.AcceptLimit, l.Port)
	case s == nil:
		return fmt.Sprintf("%s accepts too slowly at port %d: there is no room for more.", name, l.Port)
	case s.AbortOnOverflow:
		return fmt.Sprintf("%s accepts too slowly at port %d: there is no room for more: SYNs are dropped, and handshakes under way reset (tcp_abort_on_overflow is 1 here).", name, l.Port)
	}
	return fmt.Sprintf("%s accepts too slowly at port %d: there is no room for more: SYNs are dropped, which clients send again, and handshakes under way wait (tcp_abort_on_overflow is 0 here).", name, l.Port)
}

// Advice says what helps where ports run out, in the words of this namespace.
func (p *Pressure) Advice(s *Settings) string {
	if p.Ratio() < pressing {
		return fmt.Sprintf("No port is short: %d are left towards that destination (ip_local_port_range is %d to %d here).", p.Usable-p.Taken(), s.PortLow, s.PortHigh)
	}
	text := fmt.Sprintf("Keep connections open and use them again, add source or destination addresses, or widen ip_local_port_range (%d to %d here)", s.PortLow, s.PortHigh)
	switch {
	case p.TimeWait-p.Reusable < p.Taken()/2:
		return text + "."
	case s.Timestamps == 0:
		return text + "; tcp_tw_reuse needs tcp_timestamps, which is off here."
	case s.TWReuse != 1:
		return fmt.Sprintf("%s; tcp_tw_reuse is %d here: 1 lets connect() take over TIME_WAIT after %v.", text, s.TWReuse, time.Duration(s.TWReuseDelay))
	}
	return text + "."
}
