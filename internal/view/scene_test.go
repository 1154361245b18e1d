package view

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Commit only changes that you understand, and look at what they look like.
var update = flag.Bool("update", false, "rewrite the golden files")

func comm(s string) (c [16]byte) {
	copy(c[:], s)
	return c
}

// observations is a Sink that keeps what it is told.
type observations []track.Observation

func (all *observations) Observe(o *track.Observation) {
	c := *o
	if o.Socket != nil {
		life := *o.Socket
		c.Socket = &life
	}
	*all = append(*all, c)
}

// scene is a morning of a small host: an inventory, then lives that end in all
// the ways whose names are long.
func scene(names ...string) observations {
	var all observations
	table := track.New(track.Options{}, &all)
	now := uint64(10e9)
	who := func(i int) [16]byte { return comm(names[i%len(names)]) }
	base := func(id uint64) events.Event {
		ev := events.Event{SK: id, Cookie: id * 0x1111, Netns: 4026531840, Family: events.IPv4, Saddr: [16]byte{10, 0, 0, 1},
			Daddr: [16]byte{192, 168, 100, byte(id)}, Lport: 40000 + uint16(id), Rport: 443, PID: 1234567, Comm: who(int(id)), InState: -1}
		ev.SndUna, ev.SndNxt, ev.WriteSeq, ev.RcvNxt, ev.CopiedSeq = 4000000001, 4000000001, 4000000001, 7, 7
		if id%2 == 0 {
			ev.Family = events.IPv6
			ev.Saddr = [16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, byte(id)}
			ev.Daddr = [16]byte{0x20, 1, 0xd, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		}
		return ev
	}
	send := func(ev events.Event, kind events.Kind, from, to model.State, flags model.Flags, errno uint16) {
		ev.Kind, ev.From, ev.To, ev.Flags, ev.Err = kind, from, to, flags, errno
		if ev.Has(model.Dead) || kind == events.Transition && to == model.Close {
			ev.Shutdown = 3
		}
		now += 1234567
		ev.Time = now
		table.Apply(&ev)
	}
	for id, state := range map[uint64]model.State{101: model.Established} {
		send(base(id), events.Inventory, 0, state, model.HasSocket, 0)
	}
	mini := base(102)
	mini.Extra = 59.9e9
	send(mini, events.Inventory, model.FinWait2, model.TimeWait, 0, 0)
	l := base(103)
	l.Rport, l.Daddr, l.Saddr = 0, [16]byte{}, [16]byte{}
	l.SetQueues(events.Queues{Accept: 3, AcceptLimit: 128, SYN: 65, SYNLimit: 64, Young: 60, Known: true})
	send(l, events.Inventory, 0, model.Listen, 0, 0)
	send(base(104), events.Holder, 0, model.Close, 0, 104)
	half := base(105)
	half.Kind, half.To, half.Time, half.Count, half.BytesAcked = events.Inventory, model.NewSynRecv, now, 2, 3.2e9
	table.Apply(&half)
	send(base(105), events.Inventory, 0, model.CloseWait, 0, 0) // not accepted
	send(base(106), events.Inventory, 0, model.FinWait1, model.Dead, 0)
	table.Apply(&events.Event{Kind: events.Found, Time: now})
	table.Apply(&events.Event{Kind: events.Tick, Time: now})
	const act = model.Owned | model.HasSocket
	for i, end := range []struct {
		from  model.State
		flags model.Flags
		errno uint16
	}{
		{model.Established, act | model.Linger0, 0}, {model.Established, 0, 104}, {model.SynSent, 0, 111},
		{model.Established, act, 103}, {model.LastAck, model.Dead | model.Done, 0}, {model.Established, model.KeepOpen, 110},
	} {
		ev := base(uint64(i + 1))
		send(ev, events.Transition, model.Close, model.SynSent, act, 0)
		rtx := ev
		rtx.Extra = 4000000000 | 2<<32
		send(rtx, events.Retransmit, 0, model.SynSent, 0, 0)
		if end.from != model.SynSent {
			send(ev, events.Transition, model.SynSent, model.Established, 0, 0)
		}
		if end.from == model.LastAck {
			send(ev, events.Transition, model.Established, model.CloseWait, 0, 0)
			send(ev, events.Transition, model.CloseWait, model.LastAck, act, 0)
		}
		send(ev, events.ResetReceived, 0, end.from, 0, 0)
		send(ev, events.Transition, end.from, model.Close, end.flags, end.errno)
		if i%2 == 0 {
			send(ev, events.Destroy, model.Close, model.Close, 0, 0)
		}
	}
	table.Apply(&events.Event{Kind: events.Lost, Time: now, Where: events.WhereRing, LostCount: 17})
	send(base(101), events.Transition, model.CloseWait, model.LastAck, act, 0)
	send(base(99), events.Transition, model.State(77), model.TimeWait, 0, 0)
	reset := base(98)
	reset.Extra = 2
	send(reset, events.ResetSent, 0, model.Established, 0, 0)
	table.Finish()
	all.describe(names)
	return all
}

// describe tells of the owners what a look at their processes and the inventory
// of one instant would.
func (all observations) describe(names []string) {
	for i := range all {
		o := &all[i]
		switch {
		case !o.Owner.Named():
		case i%5 == 1:
			o.Process = &events.Process{Container: strings.Repeat("0123456789abcdef", 4), Unit: "docker.service"}
		case i%5 == 2:
			name := names[i%len(names)]
			o.Process, o.NetnsName = &events.Process{Container: name, Unit: name}, name
		}
		if o.Event.Kind != events.Inventory {
			continue
		}
		if o.Event.To == model.Close {
			o.Holding = 3
		}
		if o.Event.To == model.Established {
			o.Owner.Note = events.NoteInFlight
		}
	}
}

const epoch = 1795000000e9

func trace(all observations, change func(*Trace)) string {
	var b bytes.Buffer
	w := NewTrace(&b)
	w.Epoch, w.Location, w.Inventory = epoch, time.UTC, true
	w.ResetReason = func(uint32) string { return "TCP_STATE" }
	if change != nil {
		change(w)
	}
	for i := range all {
		_ = w.Write(&all[i])
	}
	_ = w.Flush()
	return b.String()
}

func sockets(all observations, change func(*Sockets)) string {
	var b bytes.Buffer
	w := NewSockets(&b)
	if change != nil {
		change(w)
	}
	for i := range all {
		_ = w.Write(&all[i])
	}
	_ = w.Flush()
	return b.String()
}

func cards(all observations) string {
	var b bytes.Buffer
	h := History{Epoch: epoch, Location: time.UTC}
	for i := range all {
		if s := all[i].Socket; s != nil {
			_ = h.Card(&b, s, all[i].Event.Time)
		}
	}
	return b.String()
}

func records(all observations) string {
	var b bytes.Buffer
	w := NewCSV(&b)
	w.Epoch = epoch
	for i := range all {
		_ = w.Write(&all[i])
	}
	_ = w.Flush()
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s:\n%s", path, got)
	}
}

func TestGolden(t *testing.T) {
	all := scene("nginx", "postgres: chec", "curl", "node")
	golden(t, "trace", trace(all, nil))
	golden(t, "trace_wide", trace(all, func(w *Trace) { w.Wide = true }))
	golden(t, "trace_plain", trace(all, func(w *Trace) { w.Headers = false }))
	golden(t, "trace_color", trace(all, func(w *Trace) { w.Style.Color = true }))
	golden(t, "sockets", sockets(all, nil))
	golden(t, "sockets_wide", sockets(all, func(w *Sockets) { w.Wide = true }))
	golden(t, "sockets_padded", sockets(all, func(w *Sockets) { w.fitted = 1 }))
	golden(t, "sockets_narrow", sockets(all[:1], nil))
	golden(t, "sockets_none", sockets(nil, nil))
	golden(t, "history", cards(all))
	golden(t, "csv", records(all))
}

// Who chose a process name chose nothing of what a terminal does.
func TestHostileNames(t *testing.T) {
	names := []string{
		"\xff\x1b[2Jx\n\t]0;", "\x1b]52;c;cm0=\x07", "\u009b31m", "\x9b31m", "a\u0085b", "a\x7fb", "ok\rEVIL", "a\u202egpj.e",
		"\u2066\u2067", "\u061c\u200e", "a\u200b\u200d\ufeff", "a\u2028b\u2029", "=cmd|' /C'!A0", "+1", "-1", "@SUM(1)", "\"q\",x",
		"\t=1+1", "e\u0301\u0301\u0301\u0301\u0301", "", "\\", "\xe2\x82",
	}
	for i := range names {
		all := scene(names[i:]...)
		for kind, out := range map[string]string{
			"trace": trace(all, nil), "wide": trace(all, func(w *Trace) { w.Wide = true }), "sockets": sockets(all, nil),
			"padded": sockets(all, func(w *Sockets) { w.fitted = 1 }), "history": cards(all), "csv": records(all),
		} {
			for _, r := range out {
				if r != '\n' && (r == unicode.ReplacementChar || !unicode.IsPrint(r)) {
					t.Fatalf("%s with %q holds %U", kind, names[i], r)
				}
			}
		}
	}
}

// RFC 4180, the same number of fields in each record, and nothing that a
// spreadsheet computes.
func TestCSV(t *testing.T) {
	all := scene("=cmd()", "+1", "-1", "@x", "\"q\", x", "plain")
	rows, err := csv.NewReader(strings.NewReader(records(all))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(all)+1 {
		t.Errorf("%d records, want %d and the header", len(rows), len(all))
	}
	quoted := false
	for _, row := range rows[1:] {
		for i, f := range row {
			if strings.IndexAny(f, "=+-@") == 0 {
				t.Errorf("%s is %q", csvHeader[i], f)
			}
			quoted = quoted || f == `"q", x`
		}
	}
	if !quoted {
		t.Error("a name with a quote and a comma does not come back whole")
	}
}

func TestDuration(t *testing.T) {
	const s, h = 1e9, 3600e9
	for ns, want := range map[int64]string{
		-1: "-", 0: "0ns", 999: "999ns", 1000: "1.00µs", 12345: "12.3µs", 999999: "999µs", 4567890: "4.56ms", 999999999: "999ms",
		s: "1.00s", 59.99 * s: "59.9s", 60 * s: "1m00s", 725 * s: "12m05s", h - 1: "59m59s", h: "1h00m", 11040 * s: "3h04m",
		24*h - 1: "23h59m", 24 * h: "1d00h", 51 * h: "2d03h", 1<<63 - 1: "106751d23h",
	} {
		got := Duration(ns)
		if got != want {
			t.Errorf("%d ns is %q, want %q", ns, got, want)
		}
		if n := len([]rune(got)); n > 7 && ns < 9999*24*h {
			t.Errorf("%q has %d columns, want at most 7", got, n)
		}
	}
}
