package probe

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

const patience = 60 * time.Second

// tally is a Sink that counts what a table says of one namespace.
type tally struct {
	netns     uint32
	pairs     map[[2]string]int
	verdicts  map[model.Verdict]int
	closed    map[model.Verdict]int
	births    int
	lost      [events.NumWhere]uint64 // on the whole machine
	unhealthy []string                // the first transitions that are impossible
}

func newTally(netns uint32) *tally {
	return &tally{
		netns: netns, pairs: map[[2]string]int{},
		verdicts: map[model.Verdict]int{}, closed: map[model.Verdict]int{},
	}
}

// Observe implements track.Sink.
func (c *tally) Observe(o *track.Observation) {
	ev := &o.Event
	if ev.Kind == events.Lost {
		c.lost[ev.Where] += ev.LostCount
	}
	if ev.Netns != c.netns {
		return
	}
	switch ev.Kind {
	case events.Transition:
		c.pairs[[2]string{ev.From.String(), ev.To.String()}]++
		c.verdicts[o.Judgement.Verdict]++
		if o.Step == 1 {
			c.births++
		}
	case events.Closed:
		c.closed[o.Judgement.Verdict]++
	default:
		return
	}
	if o.Judgement.Verdict == model.Impossible && len(c.unhealthy) < 20 {
		c.unhealthy = append(c.unhealthy, fmt.Sprintf("%v %v>%v %s", ev.Kind, ev.From, ev.To, o.Judgement.Rule))
	}
}

func (c *tally) transitions() (n int) {
	for _, k := range c.pairs {
		n += k
	}
	return n
}

// follower runs a Live into a table until it is stopped.
type follower struct {
	live  *Live
	table *track.Table
	found chan struct{} // closed when the inventory has ended
	done  sync.WaitGroup
}

func follow(t *testing.T, p *Probe, sink track.Sink) *follower {
	t.Helper()
	live, err := p.Live(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	table := track.New(track.Options{ResetReason: p.Features.ResetReasonName}, sink)
	f := &follower{live: live, table: table, found: make(chan struct{})}
	f.done.Go(f.run)
	t.Cleanup(func() {
		f.stop(t)
		if err := live.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *follower) run() {
	var ev events.Event
	for {
		if f.live.Next(&ev) != nil {
			f.table.Finish()
			return
		}
		if ev.Kind == events.Found {
			close(f.found)
		}
		f.table.Apply(&ev)
	}
}

// stop ends the stream and waits until everything has been delivered.
func (f *follower) stop(t *testing.T) {
	t.Helper()
	f.live.Stop()
	f.done.Wait()
}

// roomy makes a network namespace with ports for 28,000 connections to one
// address, of which none is in the default range: others can be told apart.
func roomy(t *testing.T) *kerneltest.Netns {
	t.Helper()
	ns := kerneltest.NewNetns(t)
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
	return ns
}

// Tens of thousands of connections, as fast as they can be made: every birth,
// every transition and every end arrives once, and the counters add up.
func TestChurnIsSeenExactly(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, o := range []kerneltest.ChurnOptions{
		{Connections: kerneltest.Load(20000)},
		{Connections: kerneltest.Load(20000), Reset: true},
		{Connections: kerneltest.Load(20000), IPv6: true},
		{Connections: kerneltest.Load(20000), IPv6: true, Reset: true, Clients: 1},
	} {
		t.Run(fmt.Sprintf("IPv6=%v,Reset=%v", o.IPv6, o.Reset), func(t *testing.T) {
			ns := roomy(t)
			p := load(t, Options{NoInventory: true})
			b := openBooks(t, p)
			c := newTally(ns.Inum())
			f := follow(t, p, c)
			var made kerneltest.Churned
			ns.Do(func() { made = kerneltest.Churn(t, o) })
			hidden := b.check(t)
			witnessed := b.witnessed(made.Ports)
			f.stop(t)
			lost, nested := checkDelivered(t, p, f.live.Delivered())

			for pair, n := range made.Transitions() {
				if witnessed[pair] < n { // more are others', with the same ports elsewhere
					t.Errorf("the witness counts %d %v, the generator %d", witnessed[pair], pair, n)
				}
			}
			c.check(t, made, lost+nested+hidden)
			t.Logf("%.0f transitions/s, %d lost in the ring, %d nested, %d hidden",
				float64(made.Total())/made.Elapsed.Seconds(), lost, nested, hidden)
		})
	}
}

// witnessed counts the transitions from or to ports.
func (b *books) witnessed(ports []uint16) map[[2]string]int {
	counts := map[[2]string]int{}
	for _, e := range b.witness.Events() {
		if e.Name == kerneltest.SetState && (slices.Contains(ports, e.Sport) || slices.Contains(ports, e.Dport)) {
			counts[[2]string{e.Old, e.New}]++
		}
	}
	return counts
}

// check compares what was seen of a churn with what was made. Only what is known
// to be missing may be.
func (c *tally) check(t *testing.T, made kerneltest.Churned, missing uint64) {
	t.Helper()
	want := made.Transitions()
	for pair, n := range c.pairs {
		if n > want[pair] {
			t.Errorf("%v: %d seen, %d happened", pair, n, want[pair])
		}
	}
	sockets := 2*made.Connections + len(made.Ports)
	ended := 0
	for _, n := range c.closed {
		ended += n
	}
	if missing > 0 {
		if short := made.Total() - c.transitions(); uint64(short) > missing {
			t.Errorf("%d transitions are missing, and %d known to be", short, missing)
		}
		return
	}
	if !maps.Equal(c.pairs, want) {
		t.Errorf("seen %v, happened %v", c.pairs, want)
	}
	if c.births != sockets || ended != sockets {
		t.Errorf("%d births and %d ends, want %d", c.births, ended, sockets)
	}
	if len(c.unhealthy) > 0 || c.verdicts[model.Unjudged] > 0 || c.closed[model.Unjudged] > 0 {
		t.Errorf("impossible %v, unjudged %d and %d", c.unhealthy, c.verdicts[model.Unjudged], c.closed[model.Unjudged])
	}
	if bad := c.verdicts[model.Abnormal] + c.closed[model.Abnormal]; bad > 0 && !made.Reset {
		t.Errorf("%d verdicts of orderly ends are abnormal", bad)
	}
	if made.Reset && c.closed[model.Abnormal] != made.Connections {
		t.Errorf("%d ends are abnormal, want one for each of %d resets", c.closed[model.Abnormal], made.Connections)
	}
}

// With packets handled in the interrupts of other processors, many events nest
// in others: they are rescued or counted.
func TestNestedEventsAreRescuedOrCounted(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	if n := len(onlineCPUs(t)); n < 2 {
		kerneltest.SkipProved(t, "one processor must interrupt another", fmt.Errorf("%d online", n))
	}
	ns := roomy(t)
	steer(t, ns)
	p := load(t, Options{NoInventory: true})
	b := openBooks(t, p)
	c := newTally(ns.Inum())
	f := follow(t, p, c)
	var made kerneltest.Churned
	ns.Do(func() { made = kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: kerneltest.Load(20000)}) })
	hidden := b.check(t)
	f.stop(t)
	lost, nested := checkDelivered(t, p, f.live.Delivered())
	if short := made.Total() - c.transitions(); uint64(max(short, 0)) > lost+nested+hidden {
		t.Errorf("%d transitions are missing, and %d known to be", short, lost+nested+hidden)
	}
	for pair, n := range made.Transitions() {
		if c.pairs[pair] > n {
			t.Errorf("%v: %d seen, %d happened", pair, c.pairs[pair], n)
		}
	}
	if hidden == 0 && len(c.unhealthy) > 0 {
		t.Errorf("impossible: %v", c.unhealthy)
	}
	all, err := p.Counters()
	if err != nil {
		t.Fatal(err)
	}
	s := all[stateIndex]
	t.Logf("%d of %d transitions nested in another: %d rescued, %d counted as lost; %d hidden",
		s.Rescued+s.Nested, s.Seen+s.Nested, s.Rescued, s.Nested, hidden)
}

// steer makes the kernel hand the packets of a namespace's loopback to all
// processors by interrupts (RPS).
func steer(t *testing.T, ns *kerneltest.Netns) {
	t.Helper()
	const script = `mount -t sysfs sysfs /sys && echo 3 > /sys/class/net/lo/queues/rx-0/rps_cpus`
	var out []byte
	var err error
	ns.Do(func() { out, err = exec.Command("unshare", "-m", "sh", "-c", script).CombinedOutput() })
	if err != nil {
		t.Fatalf("steer packets: %v\n%s", err, out)
	}
}
