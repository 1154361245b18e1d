package track

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/model"
)

// mill turns out kernel records of whole lives for ever: n sockets, each at
// another place of its life, the next event of each in an order that no cache
// likes. Freed addresses are used again, as the kernel does.
type mill struct {
	n       uint64
	i       uint64
	now     uint64
	records [6][events.Size]byte // one life, from connect() to the end of the memory
	ev      events.Event
}

func newMill(n int) *mill {
	m := &mill{n: uint64(n), now: 1e9}
	path := []model.State{closeState, synSent, established, closeWait, lastAck, closeState, closeState}
	for i := range m.records {
		b := m.records[i][:]
		le := binary.LittleEndian
		v := usual(path[i], path[i+1])
		copy(b[56:], []byte{10, 0, 0, 1})
		copy(b[72:], []byte{10, 0, 0, 2})
		copy(b[88:], "nginx")
		le.PutUint32(b[104:], 4026531840)
		le.PutUint32(b[108:], 4242)
		for at, n := range map[int]uint32{112: v.SndUna, 116: v.SndNxt, 120: v.RcvNxt, 124: v.WriteSeq, 128: v.CopiedSeq, 132: uint32(v.Flags)} {
			le.PutUint32(b[at:], n)
		}
		le.PutUint16(b[136:], 40000)
		le.PutUint16(b[138:], 443)
		b[144], b[145], b[146], b[147], b[148] = byte(events.Transition), byte(events.IPv4), byte(path[i]), byte(path[i+1]), v.Shutdown
	}
	m.records[5][144] = byte(events.Destroy)
	return m
}

// turn decodes the next record and applies it.
func (m *mill) turn(t *Table) {
	round := m.i / m.n
	socket := m.i % m.n * 7919 % m.n
	age := round + socket
	b := m.records[age%6][:]
	le := binary.LittleEndian
	le.PutUint64(b[0:], m.now)
	le.PutUint64(b[8:], 0xffff888000000000+socket*2304) // sizeof(struct tcp_sock)
	le.PutUint64(b[16:], 1+socket+age/6*m.n)
	if err := events.Decode(b, &m.ev); err != nil {
		panic(err)
	}
	t.Apply(&m.ev)
	m.i++
	if m.now += 20000; m.i%1024 == 0 { // 50,000 events per second, in batches
		m.ev = events.Event{Kind: events.Tick, Time: m.now}
		t.Apply(&m.ev)
	}
}

// judged counts verdicts, as the cheapest sink does.
type judged struct{ verdicts [model.Impossible + 1]int }

func (j *judged) Observe(o *Observation) { j.verdicts[o.Judgement.Verdict]++ }

// steady returns a mill and a table in which every socket has lived once.
func steady(n int, sink Sink) (*mill, *Table) {
	m, t := newMill(n), New(Options{}, sink)
	t.Apply(&events.Event{Kind: events.Found})
	for range 7 * n {
		m.turn(t)
	}
	return m, t
}

func TestApplyAllocs(t *testing.T) {
	sink := &judged{}
	m, table := steady(1000, sink)
	lives := func() {
		for range 6000 {
			m.turn(table)
		}
	}
	if n := testing.AllocsPerRun(5, lives); n != 0 {
		t.Errorf("%v allocations in 1000 whole lives, want 0", n)
	}
	before := *sink
	for range 6000 { // one whole life of each, all judged
		m.turn(table)
	}
	if got := sink.verdicts[model.Normal] - before.verdicts[model.Normal]; got != 6000 {
		t.Errorf("%d of 6000 judged normal: %v", got, sink.verdicts)
	}
	if err := consistent(table); err != nil {
		t.Error(err)
	}
}

// One event: decoded from the kernel's record, applied, judged, with so many
// sockets alive. Goal: 400 ns.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		b.Run(fmt.Sprintf("sockets=%d", n), func(b *testing.B) {
			sink := &judged{}
			m, table := steady(n*3/2, sink) // two of the six events of a life find it ended
			before := sink.verdicts
			b.ReportAllocs()
			for b.Loop() {
				m.turn(table)
			}
			b.StopTimer()
			if bad := sink.verdicts[model.Impossible] - before[model.Impossible]; bad > 0 {
				b.Errorf("%d impossible", bad)
			}
			b.ReportMetric(float64(table.stats.Open), "open")
		})
	}
}
