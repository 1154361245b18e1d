package found

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

func flags(f model.Flags) func(*events.Event) {
	return func(ev *events.Event) { ev.Flags = f }
}

func by(pid uint32, fd uint64) func(*events.Event) {
	return func(ev *events.Event) { ev.PID, ev.Extra = pid, fd }
}

func extra(n uint64) func(*events.Event) { return func(ev *events.Event) { ev.Extra = n } }
func port(n uint16) func(*events.Event)  { return func(ev *events.Event) { ev.Lport = n } }
func from(addr byte) func(*events.Event) {
	return func(ev *events.Event) { ev.Saddr = [16]byte{addr} }
}
func read(t *testing.T, s events.Slice) seen { return readAll(t, s, false) }
func describe(o *track.Observation) string {
	return fmt.Sprintf("%s %d %s %s", o.Event.To, o.Owner.PID, o.Owner.Provenance, o.Owner.Note)
}

func readAll(t *testing.T, s events.Slice, all bool) (got seen) {
	t.Helper()
	sockets := New(&got)
	sockets.All = all
	if err := sockets.Read(&snapshot{append(s, events.Event{Kind: events.Found}), 1}); err != nil {
		t.Fatal(err)
	}
	return got
}

// What no process holds is not guessed at: the row says what it shows.
func TestRowsWithoutHolder(t *testing.T) {
	const holder, row, unheld = events.Holder, events.Inventory, events.Unheld
	const socket = model.HasSocket
	full := 2 | 128<<32 // of an accept queue
	cases := []struct {
		name string
		in   events.Slice
		want []string
	}{
		{"in flight", events.Slice{event(row, 1, 7, model.Established, flags(socket)), event(unheld, 1, 7, model.Established, flags(socket))},
			[]string{"ESTABLISHED 0 unknown in_flight"}},
		{"not looked for twice", events.Slice{event(row, 1, 7, model.Established, flags(socket))},
			[]string{"ESTABLISHED 0 unknown "}},
		{"opened between the two walks", events.Slice{event(row, 1, 7, model.Established, flags(socket)), event(holder, 1, 7, model.Established)},
			[]string{"ESTABLISHED 80 exact "}},
		{"an orphan", events.Slice{event(row, 1, 7, model.FinWait1, flags(model.Dead))},
			[]string{"FIN_WAIT1 0 unknown orphan"}},
		{"closed after its fd was seen", events.Slice{event(holder, 1, 7, model.Established), event(row, 1, 7, model.FinWait1, flags(model.Dead))},
			[]string{"FIN_WAIT1 80 exact orphan"}},
		{"not accepted, and who listens", events.Slice{
			event(holder, 1, 7, model.Listen), event(row, 1, 7, model.Listen, extra(uint64(full))), event(row, 2, 8, model.CloseWait)},
			[]string{"LISTEN 80 exact ", "CLOSE_WAIT 80 inherited not_accepted"}},
		{"not accepted, and the listener's queue is empty", events.Slice{
			event(holder, 1, 7, model.Listen), event(row, 1, 7, model.Listen, extra(128<<32)), event(row, 2, 8, model.Established)},
			[]string{"LISTEN 80 exact ", "ESTABLISHED 0 unknown not_accepted"}},
		{"not accepted, and two processes listen", events.Slice{
			event(holder, 1, 7, model.Listen, by(80, 3)), event(holder, 3, 9, model.Listen, by(81, 3)),
			event(row, 1, 7, model.Listen, extra(uint64(full))), event(row, 3, 9, model.Listen, extra(uint64(full))), event(row, 2, 8, model.Established)},
			[]string{"LISTEN 80 exact ", "LISTEN 81 exact ", "ESTABLISHED 0 unknown not_accepted"}},
		{"not accepted, and one process listens twice", events.Slice{
			event(holder, 1, 7, model.Listen, by(80, 3)), event(holder, 3, 9, model.Listen, by(80, 4)),
			event(row, 1, 7, model.Listen, extra(uint64(full))), event(row, 3, 9, model.Listen, extra(uint64(full))), event(row, 2, 8, model.Established)},
			[]string{"LISTEN 80 exact ", "LISTEN 80 exact ", "ESTABLISHED 80 inherited not_accepted"}},
		{"not accepted, on another address than the listener's", events.Slice{
			event(holder, 1, 7, model.Listen, from(10)), event(row, 1, 7, model.Listen, from(10), extra(uint64(full))), event(row, 2, 8, model.Established, from(11))},
			[]string{"LISTEN 80 exact ", "ESTABLISHED 0 unknown not_accepted"}},
		{"not accepted, and nobody listens any more", events.Slice{event(row, 2, 8, model.Established)},
			[]string{"ESTABLISHED 0 unknown not_accepted"}},
		{"not accepted, and who listens is not known", events.Slice{event(row, 1, 7, model.Listen, flags(socket), extra(uint64(full))), event(row, 2, 8, model.Established)},
			[]string{"ESTABLISHED 0 unknown not_accepted", "LISTEN 0 unknown "}},
		{"a request names its listener", events.Slice{
			event(holder, 1, 7, model.Listen, by(80, 3)), event(holder, 3, 9, model.Listen, by(81, 3)),
			event(row, 1, 7, model.Listen, extra(128<<32)), event(row, 3, 9, model.Listen, extra(128<<32)), event(row, 2, 0, model.NewSynRecv, extra(3))},
			[]string{"LISTEN 80 exact ", "LISTEN 81 exact ", "NEW_SYN_RECV 81 inherited "}},
		{"a request of a listener that is not there", events.Slice{
			event(holder, 1, 7, model.Listen), event(row, 1, 7, model.Listen, extra(uint64(full))), event(row, 2, 0, model.NewSynRecv, extra(3))},
			[]string{"LISTEN 80 exact ", "NEW_SYN_RECV 0 unknown "}},
		{"subflows of MPTCP", events.Slice{
			event(holder, 0x70, 0, model.Established, flags(model.MPTCP), port(0)),
			event(row, 1, 7, model.Established, flags(model.MPTCP|socket), extra(0x70)), event(row, 2, 8, model.Established, flags(model.MPTCP), extra(0x70))},
			[]string{"ESTABLISHED 80 exact ", "ESTABLISHED 80 exact "}},
		{"a listening subflow", events.Slice{
			event(holder, 0x70, 0, model.Listen, flags(model.MPTCP), port(0)), event(holder, 1, 7, model.Listen, flags(model.MPTCP)),
			event(row, 1, 7, model.Listen, flags(model.MPTCP|socket), extra(uint64(full)))},
			[]string{"LISTEN 80 exact "}},
		{"a subflow of a socket in flight", events.Slice{
			event(row, 1, 7, model.Established, flags(model.MPTCP|socket), extra(0x70)), event(unheld, 1, 7, model.Established, flags(model.MPTCP|socket), extra(0x70))},
			[]string{"ESTABLISHED 0 unknown in_flight"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, o := range read(t, c.in) {
				got = append(got, describe(&o))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Every holder is counted; they are listed where asked for, and not without end.
func TestHolders(t *testing.T) {
	in := events.Slice{}
	for i := range uint64(MaxHolders + 6) {
		in = append(in, event(events.Holder, 1, 7, model.Listen, by(uint32(80+i/4), 3+i%4)))
	}
	in = append(in, event(events.Holder, 1, 7, model.Listen, by(80, 3)), event(events.Inventory, 1, 7, model.Listen))
	for _, all := range []bool{false, true} {
		o := readAll(t, in, all)[0]
		if o.Holding != MaxHolders+6 || o.Owner.PID != 80 || o.Owner.FD != 3 {
			t.Errorf("all %v: %d holders, the first is %+v", all, o.Holding, o.Owner)
		}
		if want := map[bool]int{true: MaxHolders}[all]; len(o.Holders) != want {
			t.Errorf("all %v: %d holders are listed, want %d", all, len(o.Holders), want)
		}
		for i, w := range o.Holders {
			if w.PID != uint32(80+i/4) || w.FD != int32(3+i%4) {
				t.Errorf("holder %d is %+v", i, w)
			}
		}
	}
	twice := events.Slice{event(events.Holder, 1, 7, model.Listen), event(events.Holder, 1, 7, model.Listen, by(81, 4)),
		event(events.Holder, 1, 7, model.Listen, by(81, 4)), event(events.Inventory, 1, 7, model.Listen)}
	if o := readAll(t, twice, true)[0]; o.Holding != 2 || len(o.Holders) != 2 {
		t.Errorf("%d holders of which one was met twice, %d listed, want 2", o.Holding, len(o.Holders))
	}
	reused := events.Slice{event(events.Holder, 1, 7, model.Listen), event(events.Holder, 1, 8, model.Listen, by(81, 4)), event(events.Inventory, 1, 8, model.Listen)}
	if o := readAll(t, reused, true)[0]; o.Holding != 1 || o.Owner.PID != 81 {
		t.Errorf("%d holders, owner %+v, want the new socket's alone", o.Holding, o.Owner)
	}
}
