package record

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// hostile is what processes call themselves.
var hostile = []string{
	"nginx", "", "\xff\xfe", "\x1b[31mred\x1b[0m", `say "hi"`, `back\slash`, "été", "a\u202eb", "new\nline", "=1+1",
	"sixteen bytes ok", "cut\xe2\x82", `\x41`, "e\u0301\u0301", "\U0001f600", "</script>", "tab\there", "\x00",
}

func comm(s string) (c [16]byte) {
	copy(c[:], s)
	return c
}

const epoch = 1795000000e9

func reason(n uint32) string { return []string{"NOT_SPECIFIED", "TCP_STATE", "TCP_ABORT_ON_DATA"}[n%3] }

// scene is a stream of events such as a kernel makes: random legal lives of
// several sockets at once, with resets, retransmits, losses and an inventory.
func scene(seed uint64) []events.Event {
	rng := rand.New(rand.NewPCG(seed, 2))
	type sock struct {
		ev    events.Event
		state model.State
	}
	var all []events.Event
	var socks []*sock
	now := uint64(1e9)
	add := func(k *sock, kind events.Kind, from, to model.State, change func(*events.Event)) {
		ev := k.ev
		ev.Kind, ev.Time, ev.From, ev.To, ev.InState = kind, now, from, to, -1
		ev.SndUna, ev.SndNxt, ev.WriteSeq, ev.RcvNxt, ev.CopiedSeq = 1, 2, rng.Uint32N(3), 9, 8
		ev.Flags = model.Flags(rng.Uint32()) & (model.Owned | model.Dead | model.Done | model.HasSocket | model.Linger0 | model.TFO | model.MPTCP | model.KThread)
		ev.Err = []uint16{0, 0, 0, 103, 104, 110, 111, 32}[rng.IntN(8)]
		ev.Shutdown, ev.BytesAcked, ev.Probes = uint8(rng.IntN(4)), rng.Uint64(), uint8(rng.IntN(2))
		if change != nil {
			change(&ev)
		}
		if !ev.Has(model.Owned) && !ev.Has(model.Inherited) && kind != events.Holder {
			ev.PID, ev.Comm = 0, [16]byte{}
		}
		all = append(all, ev)
	}
	for range 400 {
		now += 1 + rng.Uint64N(3e6)
		if len(socks) < 4 || rng.IntN(8) == 0 {
			k := &sock{state: model.Close}
			id := uint64(len(socks) + 1)
			k.ev = events.Event{SK: 0xffff0000 + id<<11, Cookie: id * 3, Netns: 4026531840, NetnsCookie: id % 2, Family: events.IPv4,
				Saddr: [16]byte{127, 0, 0, 1}, Daddr: [16]byte{10, byte(id)}, Lport: uint16(id), Rport: 443,
				PID: 100 + uint32(id), Comm: comm(hostile[rng.IntN(len(hostile))])}
			if id%3 == 0 {
				k.ev.Family, k.ev.Saddr, k.ev.Daddr = events.IPv6, [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}, [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: byte(id)}
			}
			socks = append(socks, k)
			switch rng.IntN(6) {
			case 4:
				k.state = model.Listen
				add(k, events.Inventory, 0, k.state, func(ev *events.Event) {
					ev.Flags, ev.Rport = model.HasSocket, 0
					ev.SetQueues(events.Queues{Accept: rng.Uint32N(9), AcceptLimit: 128, SYN: rng.Uint32(), SYNLimit: 64, Young: rng.Uint32N(3), Known: rng.IntN(3) > 0})
				})
			case 5:
				add(k, events.Inventory, 0, model.NewSynRecv, func(ev *events.Event) {
					ev.Evidence, ev.Count = model.Evidence{SndNxt: 4, RcvNxt: 5, BytesAcked: rng.Uint64N(3) * 1e9}, uint8(rng.IntN(256))
				})
			case 0:
				k.state = model.Established
				add(k, events.Inventory, 0, k.state, func(ev *events.Event) { ev.Flags = 0 })
			case 1:
				k.state = model.Listen
				add(k, events.Transition, model.Close, k.state, nil)
			case 2:
				k.state = model.SynRecv
				add(k, events.Transition, model.Listen, k.state, func(ev *events.Event) { ev.Flags = model.Inherited | model.Stale; ev.Rport = 0 })
			default:
				k.state = model.SynSent
				add(k, events.Transition, model.Close, k.state, func(ev *events.Event) { ev.Lport = 0 })
			}
			continue
		}
		k := socks[rng.IntN(len(socks))]
		switch rng.IntN(16) {
		case 0:
			add(k, events.Retransmit, 0, k.state, func(ev *events.Event) { ev.Extra = 77 | uint64([]int{1, 2, 0x12, 0x10}[rng.IntN(4)])<<32 })
		case 1:
			add(k, events.SynAck, 0, model.NewSynRecv, func(ev *events.Event) { ev.Count, ev.Extra, ev.Err = 3, 55|12<<32, 0 })
		case 2:
			add(k, events.ResetSent, 0, k.state, func(ev *events.Event) { ev.Extra = uint64(rng.IntN(4)); ev.Flags |= model.ActiveReset })
		case 3:
			add(k, events.ResetReceived, 0, k.state, nil)
		case 4:
			add(k, events.Holder, 0, k.state, func(ev *events.Event) { ev.Extra = 5; ev.PID = 900 })
		case 5:
			if rng.IntN(4) == 0 {
				all = append(all, events.Event{Kind: events.Lost, Time: now, Where: events.WhereRing, LostCount: 1 + rng.Uint64N(9)})
				k.state = model.CloseWait // what was lost
			}
		case 6:
			all = append(all, events.Event{Kind: events.Tick, Time: now})
		case 7:
			add(k, events.Inventory, model.TimeWait, model.TimeWait, func(ev *events.Event) { ev.Evidence = model.Evidence{SndNxt: 4, RcvNxt: 5}; ev.Extra = 60e9 })
		default:
			if k.state == model.Close {
				add(k, events.Destroy, k.state, k.state, nil)
				k.ev.Cookie += 1000
				k.state = model.SynSent
				add(k, events.Transition, model.Close, k.state, nil)
				continue
			}
			for _, e := range model.Edges() {
				if e.From == k.state && !e.Birth && rng.IntN(3) == 0 {
					k.state = e.To
					if rng.IntN(60) == 0 {
						k.state = model.State(rng.IntN(20)) // a broken kernel
					}
					add(k, events.Transition, e.From, k.state, nil)
					break
				}
			}
		}
	}
	return append(all, events.Event{Kind: events.Found, Time: now})
}

// tape is a Sink that keeps lines.
type tape struct {
	encoder Encoder
	lines   []string
}

func (w *tape) Observe(o *track.Observation) {
	w.lines = append(w.lines, string(w.encoder.Append(nil, o)))
}

// live applies a scene as it happens.
func live(all []events.Event) []string {
	w := &tape{encoder: Encoder{Epoch: epoch, ResetReason: reason}}
	table := track.New(track.Options{ResetReason: reason}, w)
	for i := range all {
		ev := all[i]
		table.Apply(&ev)
	}
	table.Finish()
	return w.lines
}

// replay applies a recording.
func replay(t *testing.T, lines []string) []string {
	t.Helper()
	r, err := NewReader(strings.NewReader(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	w := &tape{encoder: Encoder{Epoch: r.Epoch, ResetReason: r.ResetReason}}
	table := track.New(track.Options{Replay: true, ResetReason: r.ResetReason}, w)
	for {
		var ev events.Event
		if err := r.Next(&ev); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		table.Apply(&ev)
	}
	table.Finish()
	if r.Skipped > 0 {
		t.Errorf("%d lines skipped", r.Skipped)
	}
	return w.lines
}

// A replay says, byte for byte, what the live run said.
func TestReplaySaysTheSame(t *testing.T) {
	for seed := range uint64(40) {
		want := live(scene(seed))
		got := replay(t, want)
		for i := range max(len(want), len(got)) {
			if i >= len(want) || i >= len(got) || got[i] != want[i] {
				t.Fatalf("seed %d, line %d of %d and %d:\ngot  %s\nwant %s", seed, i+1, len(got), len(want), line(got, i), line(want, i))
			}
		}
	}
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(none)"
}

// A filter leaves lines out, but never a loss: of what is left, all that was
// judged stays as it was.
func TestFilteredRecordingIsJudgedTheSame(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var kept []string
		for _, l := range live(scene(seed)) {
			if strings.HasPrefix(l, `{"event":"lost"`) || rng.IntN(3) > 0 {
				kept = append(kept, l)
			}
		}
		got := replay(t, kept)
		next := 0
		for _, l := range kept {
			for next < len(got) && judged(t, got[next]) != judged(t, l) {
				if !strings.HasPrefix(got[next], `{"event":"closed"`) { // a life whose own line was left out
					t.Fatalf("seed %d:\ngot  %s\nwant %s", seed, got[next], l)
				}
				next++
			}
			if next == len(got) {
				t.Fatalf("seed %d: missing %s", seed, l)
			}
			next++
		}
	}
}

// judged is what must stay of a line.
func judged(t *testing.T, l string) string {
	t.Helper()
	p, err := ParseLine([]byte(l))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{
		p.Event, p.Time.String(), strconv.FormatUint(p.Socket, 10), p.Cookie, p.Laddr, p.Role, p.Owner.Comm, p.Owner.Provenance,
		p.From, p.To, p.Verdict, p.Rule, p.Why, p.Close, p.ClosedB, p.Kind, strconv.FormatUint(p.Count, 10), p.Dir, p.Reason, p.State,
	}, "|")
}

func TestWriterArray(t *testing.T) {
	var b bytes.Buffer
	w := NewArrayWriter(&b, Encoder{})
	if err := w.Close(); err != nil || b.String() != "[]\n" {
		t.Errorf("empty array: %q, %v", b.String(), err)
	}
}
