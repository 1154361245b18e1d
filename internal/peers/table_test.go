package peers

import (
	"fmt"
	"runtime"
	"time"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// lives makes the events of connections that come and go beside idle ones.
type lives struct {
	now  uint64
	next uint64
	ev   events.Event
}

const (
	tcpSockSize = 2304
	busy        = 1000 // connections that come and go at a time
)

func (l *lives) event(kind events.Kind, socket uint64, from, to model.State) *events.Event {
	l.now += 4000 // 250,000 a second
	l.ev = events.Event{
		Kind: kind, Time: l.now, SK: 0xffff888000000000 + socket*tcpSockSize, Cookie: 1 + l.next, Netns: 4026531840, Family: events.IPv4,
		Lport: uint16(socket), Rport: 443, From: from, To: to, PID: 4242, InState: -1,
	}
	l.ev.Flags = model.HasSocket
	return &l.ev
}

var course = []model.State{model.Close, model.SynSent, model.Established, model.CloseWait, model.LastAck, model.Close}

// round applies one event of each busy connection, six rounds a life each.
func (l *lives) round(t *track.Table, step int) {
	for socket := range uint64(busy) {
		l.next = socket
		if step == len(course)-1 {
			t.Apply(l.event(events.Destroy, socket, model.Close, model.Close))
		} else {
			t.Apply(l.event(events.Transition, socket, course[step], course[step+1]))
		}
	}
	t.Apply(&events.Event{Kind: events.Tick, Time: l.now})
}

type nobody struct{}

func (nobody) Observe(*track.Observation) {}

// tracked returns what one event costs, in ns, beside so many idle sockets, and how
// much memory each takes.
func tracked(idle int) (ns, bytes float64) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t := track.New(track.Options{MaxSockets: idle + 10*busy}, nobody{})
	l := &lives{now: 1e9}
	t.Apply(&events.Event{Kind: events.Found, Time: l.now})
	for socket := range uint64(idle) {
		l.next = 1 << 32 * (1 + socket)
		for i, state := range course[1:3] {
			t.Apply(l.event(events.Transition, busy+socket, course[i], state))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	steps := len(course)
	for i := range 10 * steps { // warm
		l.round(t, i%steps)
	}
	const rounds = 300
	began := time.Now()
	for i := range rounds * steps {
		l.round(t, i%steps)
	}
	ns = float64(time.Since(began)) / float64(rounds*steps*busy)
	return ns, float64(after.HeapAlloc-before.HeapAlloc) / float64(idle)
}

// tables tells what the number of tracked sockets does to the cost of an event.
func tables(g *goals, many int) {
	const few = 1000
	var ratios, all []float64
	var bytes float64
	for range 3 {
		a, _ := tracked(few)
		z, n := tracked(many)
		ratios, all, bytes = append(ratios, z/a), append(all, z), n
	}
	g.most(fmt.Sprintf("cost of an event beside %d sockets, of that beside %d", many, few), "%.2f", median(ratios), 1.5, "ns: "+spread(all, "%.0f"))
	g.most("bytes for each socket, its history with it", "%.0f", bytes, 1024, fmt.Sprintf("%d sockets", many))
}
