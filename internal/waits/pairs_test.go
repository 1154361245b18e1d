package waits

import (
	"net/netip"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// back makes a row that of the other end: of 10.0.0.2, to 10.0.0.1.
func back(o *track.Observation) { o.Event.Saddr, o.Event.Daddr = o.Event.Daddr, o.Event.Saddr }

// own makes both addresses one, which nobody outside of the namespace has.
func own(o *track.Observation) { o.Event.Daddr = o.Event.Saddr }

func in(netns uint32) func(*track.Observation) {
	return func(o *track.Observation) { o.Event.Netns = netns }
}

// numbered gives a socket the numbers of its SYNs, in the middle of a connection.
func numbered(iss, irs uint32) func(*track.Observation) {
	return func(o *track.Observation) {
		e := &o.Event
		e.SndUna, e.SndNxt, e.BytesAcked = iss+100, iss+100, 100
		e.RcvNxt, e.BytesReceived = irs+51, 50
	}
}

func mapped(o *track.Observation) {
	for _, a := range []*[16]byte{&o.Event.Saddr, &o.Event.Daddr} {
		*a = [16]byte{10: 0xff, 11: 0xff, 12: a[0], 13: a[1], 14: a[2], 15: a[3]}
	}
	o.Event.Family = events.IPv6
}

// Of two ends of one tuple it is said who waits for whom.
func TestOtherEnd(t *testing.T) {
	const old, idle = 540e9, int64(20e9)
	for _, c := range []struct {
		name    string
		rows    func(s *scene)
		section Section
		want    string // rule
		verdict model.Verdict
		pid     uint32
	}{
		{"RFC 9293 3.6: FIN_WAIT2 waits for CLOSE_WAIT", func(s *scene) {
			s.row(model.FinWait2, 5000, 80, of(7, "client", 4), heard(old))
			s.row(model.CloseWait, 80, 5000, back, of(8, "server", 9), heard(old))
		}, FinWait2, "pair-close-awaited", model.Notable, 8},
		{"one end's addresses are IPv4 in IPv6", func(s *scene) {
			s.row(model.FinWait2, 5000, 80, of(7, "client", 4), heard(old))
			s.row(model.CloseWait, 80, 5000, back, mapped, of(8, "server", 9), heard(old))
		}, FinWait2, "pair-close-awaited", model.Notable, 8},
		{"only just", func(s *scene) {
			s.row(model.FinWait2, 5000, 80, of(7, "client", 4), heard(1e9))
			s.row(model.CloseWait, 80, 5000, back, of(8, "server", 9), heard(1e9))
		}, FinWait2, "pair-close-awaited", model.Normal, 8},
		{"in another namespace, with numbers that prove it", func(s *scene) {
			s.row(model.FinWait2, 5000, 80, of(7, "client", 4), numbered(1000, 2000), heard(old))
			s.row(model.CloseWait, 80, 5000, back, in(5), of(8, "server", 9), numbered(2000, 1000), heard(old))
		}, FinWait2, "pair-close-awaited", model.Notable, 8},
		{"in another namespace, without", func(s *scene) {
			s.row(model.FinWait2, 5000, 80, of(7, "client", 4), numbered(1000, 2000), heard(old))
			s.row(model.CloseWait, 80, 5000, back, in(5), of(8, "server", 9), numbered(2000, 1007), heard(old))
		}, FinWait2, "", model.Unjudged, 0},
		{"RFC 9293 3.5.1: a SYN into CLOSE_WAIT", func(s *scene) {
			s.row(model.SynSent, 5000, 80, of(7, "client", 4), seen(3e9))
			s.row(model.CloseWait, 80, 5000, back, of(8, "server", 9), heard(old))
		}, SynSent, "pair-syn-into-old", model.Notable, 8},
		{"a full accept queue", func(s *scene) {
			s.row(model.Established, 5000, 80, of(7, "client", 4), heard(3e9))
			s.row(model.NewSynRecv, 80, 5000, back, seen(3e9))
		}, HalfOpen, "pair-not-accepted", model.Notable, 0},
		{"half-open on one address", func(s *scene) {
			s.row(model.Established, 5000, 80, own, of(7, "client", 4), heard(idle))
		}, HalfOpen, "pair-half-open", model.Notable, 0},
		{"its end may be on its way", func(s *scene) {
			s.row(model.Established, 5000, 80, own, of(7, "client", 4), heard(1e9))
		}, HalfOpen, "", model.Unjudged, 0},
		{"the other end is there", func(s *scene) {
			s.row(model.Established, 5000, 80, own, of(7, "client", 4), heard(idle))
			s.row(model.Established, 80, 5000, own, of(8, "server", 9), heard(idle))
		}, HalfOpen, "", model.Unjudged, 0},
		{"another host's end may be there", func(s *scene) {
			s.row(model.Established, 5000, 80, of(7, "client", 4), heard(idle))
		}, HalfOpen, "", model.Unjudged, 0},
		{"states that cannot be at once", func(s *scene) {
			s.row(model.Established, 5000, 80, of(7, "client", 4), numbered(1000, 2000), heard(idle))
			s.row(model.FinWait2, 80, 5000, back, of(8, "server", 9), numbered(2000, 1000), heard(idle))
		}, HalfOpen, "pair-states", model.Abnormal, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, Options{NAT: none}, nil)
			c.rows(s)
			p := &s.Report(1e12).Sections[c.section]
			if c.want == "" {
				for i := range p.Groups {
					if o := &p.Groups[i].Other; o.Count > 0 {
						t.Errorf("%v: %+v", o.Rule, o)
					}
				}
				return
			}
			if len(p.Groups) != 1 {
				t.Fatalf("%d groups", len(p.Groups))
			}
			if o := &p.Groups[0].Other; o.Count != 1 || o.Rule.String() != c.want || o.Verdict != c.verdict || o.PID != c.pid {
				t.Errorf("the other end is %v, %v of %d: %+v", o.Rule, o.Verdict, o.PID, o)
			}
		})
	}
}

// none is a host that translates nothing.
func none(uint32) ([]Translation, bool) { return nil, true }

// Behind a translated address is the other end: nobody is alone, and the numbers prove
// who waits for whom. Where it is not known what was translated, nothing is said.
func TestOtherEndBehindNAT(t *testing.T) {
	at := netip.MustParseAddrPort
	dnat := Translation{
		Opener: End{at("10.0.0.1:5000"), at("10.0.0.1:80")},
		Other:  End{at("10.0.0.1:8080"), at("10.0.0.1:5000")},
	}
	for _, c := range []struct {
		name string
		nat  func(uint32) ([]Translation, bool)
		irs  uint32 // of the server
		want string
	}{
		{"translated", func(uint32) ([]Translation, bool) { return []Translation{dnat}, true }, 1000, "pair-close-awaited"},
		{"the port was given to another since", func(uint32) ([]Translation, bool) { return []Translation{dnat}, true }, 7, ""},
		{"nothing is translated", none, 1000, "pair-half-open"},
		{"nobody knows", func(uint32) ([]Translation, bool) { return nil, false }, 1000, ""},
		{"nobody is asked", nil, 1000, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, Options{NAT: c.nat}, nil)
			s.row(model.FinWait2, 5000, 80, own, of(7, "client", 4), numbered(1000, 2000), heard(500e9))
			s.row(model.CloseWait, 8080, 5000, own, of(8, "server", 9), numbered(2000, c.irs), heard(500e9))
			got := ""
			for _, p := range s.Report(1e12).Sections {
				for i := range p.Groups {
					if o := &p.Groups[i].Other; o.Count > 0 {
						got += o.Rule.String()
					}
				}
			}
			if got != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

// Who asks for one end alone is told of the other all the same.
func TestOtherEndNotAskedFor(t *testing.T) {
	s := newScene(t, Options{}, nil)
	s.row(model.FinWait2, 5000, 80, of(7, "client", 4), heard(100e9))
	other := newScene(t, Options{}, nil)
	var asked *track.Observation
	other.row(model.CloseWait, 80, 5000, back, of(8, "server", 9), heard(100e9), func(o *track.Observation) { asked = o })
	s.Other(asked)
	r := s.Report(1e12)
	if n := r.Sections[CloseWait].Count; n != 0 {
		t.Errorf("%d sockets in CLOSE_WAIT, which nobody asked for", n)
	}
	if g := r.Sections[FinWait2].Groups; len(g) != 1 || g[0].Other.PID != 8 || g[0].Other.Example.FD != 9 {
		t.Errorf("groups %+v", g)
	}
}
