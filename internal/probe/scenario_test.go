package probe

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/tunpeer"
	"github.com/tcpwatch/tcpwatch/model"
)

// recording is a Sink that keeps what is told of, by namespace. It is read once
// the stream has ended.
type recording map[uint32][]told

// told is an event and what was made of it.
type told struct {
	events.Event
	id      uint64
	role    model.Role
	segment track.Segment // sent again
	judged  model.Judgement
	numbers model.Numbers // of an end
	phrase  string        // of its story
}

// Observe implements track.Sink.
func (r recording) Observe(o *track.Observation) {
	e := told{Event: o.Event, id: o.ID, role: o.Role, segment: o.Segment, judged: o.Judgement, phrase: phrase(o)}
	if o.Socket != nil {
		e.numbers = o.Socket.Machine.Numbers
	}
	r[o.Event.Netns] = append(r[o.Event.Netns], e)
}

// of returns what is told of a kind in a namespace.
func (r recording) of(netns uint32, kind events.Kind) (some []told) {
	for _, e := range r[netns] {
		if e.Kind == kind {
			some = append(some, e)
		}
	}
	return some
}

// played is one run of a scenario. Afterwards the test closes what is open.
type played struct {
	name       string
	script     *tunpeer.Script
	family     kerneltest.Family
	netns      uint32
	began, end uint64
	wire       map[tunpeer.Flags]map[numberOf]bool // the numbers that SYNs and FINs had
	again      again                               // what was sent again, as the peer saw it
}

// numberOf is a sequence number, and whose.
type numberOf struct {
	kernel bool
	seq    uint32
}

// wireOf returns the numbers of the SYNs and FINs of a log.
func wireOf(log []tunpeer.Entry) map[tunpeer.Flags]map[numberOf]bool {
	wire := map[tunpeer.Flags]map[numberOf]bool{tunpeer.SYN: {}, tunpeer.FIN: {}}
	for _, e := range log {
		s := &e.Segment
		switch {
		case s.Flags&tunpeer.SYN != 0:
			wire[tunpeer.SYN][numberOf{e.FromKernel, s.Seq}] = true
		case s.Flags&tunpeer.FIN != 0:
			wire[tunpeer.FIN][numberOf{e.FromKernel, s.Seq + s.Len() - 1}] = true
		}
	}
	return wire
}

// checkNumbers compares the numbers that ends tell with those on the wire, and
// returns how many there were of each.
func (p *played) checkNumbers(t *testing.T, r recording) (known map[string]int) {
	t.Helper()
	known = map[string]int{}
	for _, e := range r.of(p.netns, events.Closed) {
		if e.Time < p.began || e.Time > p.end {
			continue
		}
		n := &e.numbers
		for _, c := range []struct {
			name   string
			set    model.NumberSet
			flag   tunpeer.Flags
			number numberOf
		}{
			{"iss", model.HasISS, tunpeer.SYN, numberOf{true, n.ISS}},
			{"irs", model.HasIRS, tunpeer.SYN, numberOf{false, n.IRS}},
			{"fin", model.HasFIN, tunpeer.FIN, numberOf{true, n.FIN}},
			{"peer_fin", model.HasPeerFIN, tunpeer.FIN, numberOf{false, n.PeerFIN}},
		} {
			if !n.Has(c.set) {
				continue
			}
			known[c.name]++
			if c.name == "fin" && len(p.wire[tunpeer.FIN]) == 0 {
				continue // queued, and a reset or the end of the script came first
			}
			if !p.wire[c.flag][c.number] {
				t.Errorf("%s: %s is %d, on the wire %v", p.name, c.name, c.number.seq, p.wire[c.flag])
			}
		}
	}
	return known
}

// edges counts the transitions that the paths consist of.
func (p *played) edges() map[string]int {
	counts := map[string]int{}
	for _, path := range p.script.Paths {
		states := strings.Split(path, ">")
		for i := 1; i < len(states); i++ {
			counts[states[i-1]+">"+states[i]]++
		}
	}
	return counts
}

// check compares what was told with what happened, and returns how many
// transitions are missing.
func (p *played) check(t *testing.T, r recording) (missing int) {
	t.Helper()
	got := map[string]int{}
	for _, e := range r[p.netns] {
		if e.Time < p.began || e.Time > p.end {
			continue // a namespace's number may have served another, and cleaning up is no part
		}
		if e.Kind == events.Transition {
			got[e.From.String()+">"+e.To.String()]++
		}
		if e.judged.Verdict == model.Impossible {
			t.Errorf("%s: %v>%v is impossible: %s", p.name, e.From, e.To, e.judged.Rule)
		}
	}
	want := p.edges()
	for edge, n := range got {
		if n > want[edge] {
			t.Errorf("%s: %s %d times, want %d", p.name, edge, n, want[edge])
		}
	}
	for edge, n := range want {
		if got[edge] < n {
			t.Logf("%s: %s %d times, want %d", p.name, edge, got[edge], n)
			missing += n - got[edge]
		}
	}
	return missing
}

// Whatever a peer does, in each scenario of a TUN device and over both families,
// exactly the transitions that the scenario declares are seen, and none is
// impossible.
func TestScenariosAreSeenExactly(t *testing.T) {
	kerneltest.RequireTun(t)
	kerneltest.LeakCheck(t)
	scripts, err := tunpeer.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	p := load(t, Options{NoInventory: true, TimeWait: TimeWaitTimers})
	b := openBooks(t, p)
	r := recording{}
	f := follow(t, p, r)
	plays := playAll(t, scripts, kerneltest.IPv4, kerneltest.IPv6)
	hidden := b.check(t)
	f.stop(t)
	lost, nested := checkDelivered(t, p, f.live.Delivered())
	missing, known := 0, map[string]int{}
	for _, play := range plays {
		missing += play.check(t, r) + play.checkAgain(t, r)
		for name, n := range play.checkNumbers(t, r) {
			known[name] += n
		}
	}
	for _, name := range []string{"iss", "irs", "fin", "peer_fin"} {
		if known[name] < len(plays)/8 {
			t.Errorf("%s is known of %d ends in %d plays", name, known[name], len(plays))
		}
	}
	if uint64(missing) > lost+nested+hidden {
		t.Errorf("%d events are missing, and %d known to be", missing, lost+nested+hidden)
	}
	if len(plays) != len(scripts)*len(kerneltest.Few(kerneltest.IPv4, kerneltest.IPv6)) {
		t.Errorf("%d plays of %d scenarios", len(plays), len(scripts))
	}
	checkStories(t, plays, r)
	t.Logf("%d plays, %d lost, %d nested, %d hidden; numbers known %v", len(plays), lost, nested, hidden, known)
}

// playAll plays each scenario over the families, many at a time: most wait for the
// kernel's timers.
func playAll(t *testing.T, scripts []*tunpeer.Script, families ...kerneltest.Family) (plays []played) {
	t.Helper()
	w := tunpeer.NewWitness(t)
	var mu sync.Mutex
	t.Run("play", func(t *testing.T) {
		for _, script := range scripts {
			if len(families) > 1 {
				families = append(families[1:], families[0])
			}
			for _, family := range kerneltest.Few(families...) { // in a guest they take turns
				t.Run(fmt.Sprintf("%s/IPv%d", script.Name, family), func(t *testing.T) {
					t.Parallel()
					ns := kerneltest.NewNetns(t)
					peer := tunpeer.New(t, ns)
					c := peer.Conn(family)
					began := now()
					c.Play(t, w, script)
					log, end := peer.Log(), now()
					mu.Lock()
					defer mu.Unlock()
					plays = append(plays, played{t.Name(), script, family, ns.Inum(), began, end, wireOf(log), sentAgain(log)})
				})
			}
		}
	})
	return plays
}

// A SYN-ACK that nobody acknowledges is sent again, and told of with the tuple
// and the sequence number of the handshake that waits.
func TestSynAckRetransmits(t *testing.T) {
	kerneltest.RequireTun(t)
	kerneltest.LeakCheck(t)
	const lost = `kernel listen
		iss 1000
		syn
		expect synack
		expect synack again
		rst`
	script, err := tunpeer.Parse("synack lost", lost)
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			ns := kerneltest.NewNetns(t)
			p := load(t, Options{NoInventory: true})
			r := recording{}
			f := follow(t, p, r)
			c := tunpeer.New(t, ns).Conn(family)
			if err := c.Run(script); err != nil {
				t.Fatal(err)
			}
			f.stop(t)
			got := r.of(ns.Inum(), events.SynAck)
			if len(got) != 1 {
				t.Fatalf("%d retransmits of SYN-ACK, want 1", len(got))
			}
			ev := got[0]
			if ev.PeerISN() != 1000 || ev.Count != 1 || ev.Lport != c.Kernel.Port() ||
				ev.Rport != c.Peer.Port() || events.Addr(ev.Family, &ev.Daddr) != c.Peer.Addr() {
				t.Errorf("SYN-ACK %+v, want the first again, of %v to %v, for ISN 1000", ev.Event, c.Kernel, c.Peer)
			}
		})
	}
}
