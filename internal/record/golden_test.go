package record

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Commit only changes that you understand: people script against these lines.
var update = flag.Bool("update", false, "rewrite the golden files")

// kinds is one observation of each kind of line.
func kinds() []*track.Observation {
	ev := events.Event{
		Time: 1e9, SK: 1, Cookie: 0xabc, Netns: 4026531840, NetnsCookie: 1, Family: events.IPv4, InState: -1,
		Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{10, 0, 0, 2}, Lport: 40000, Rport: 443, PID: 7, Comm: comm("curl"),
		Evidence: model.Evidence{SndUna: 1, SndNxt: 2, RcvNxt: 9, WriteSeq: 5, CopiedSeq: 6, Flags: model.Owned | model.HasSocket},
	}
	var all []*track.Observation
	add := func(change func(*track.Observation)) *track.Observation {
		o := &track.Observation{Event: ev, ID: 3, InState: -1, Owner: events.Owner{PID: 7, FD: 5, Comm: comm("curl"), Provenance: events.ProvenanceExact}, Role: model.RoleActive}
		change(o)
		all = append(all, o)
		return o
	}
	add(func(o *track.Observation) {
		o.Event.Kind, o.Event.From, o.Event.To = events.Transition, model.Established, model.FinWait1
		o.InState, o.Step = 1500, 3
		e, _ := model.Lookup(o.Event.From, o.Event.To)
		o.Judgement = model.Judgement{Verdict: e.Verdict, Rule: e.Rule()}
	})
	add(func(o *track.Observation) { // a broken kernel, IPv6, a hostile name, loss
		o.Event.Kind, o.Event.From, o.Event.To = events.Transition, model.State(77), model.TimeWait
		o.Event.Family, o.Event.Saddr = events.IPv6, [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}
		o.Event.Cookie, o.Event.NetnsCookie, o.ID = 0, 0, 0
		o.Owner, o.Event.Comm = events.Owner{FD: -1}, comm("\x1b[31m\"\\\xff")
		o.Judgement, o.LostSince = model.Judgement{Verdict: model.Impossible, Rule: model.RuleUnknownState}, 4
	})
	found := func(o *track.Observation) {
		o.Event.Kind, o.Began, o.Event.Comm = events.Inventory, track.BeganInPast, [16]byte{}
	}
	add(func(o *track.Observation) {
		found(o)
		o.Event.To = model.Listen
		o.Event.SetQueues(events.Queues{Accept: 3, AcceptLimit: 128, SYN: 65, SYNLimit: 64, Young: 60, Known: true})
		o.Listen = &events.Listen{Unaccepted: 2, Counters: everyCounter()}
	})
	add(func(o *track.Observation) {
		found(o)
		o.Event.To, o.Event.From, o.Event.Extra = model.TimeWait, model.FinWait2, 59e9
	})
	add(func(o *track.Observation) {
		found(o)
		o.Event.To, o.Event.Count, o.InState = model.NewSynRecv, 2, 3e9
	})
	add(func(o *track.Observation) {
		found(o)
		o.Event.To = model.Close
		o.Event.SetAges(events.Ages{Segment: 500e6, Received: 600e6, Sent: 7e6})
	})
	add(func(o *track.Observation) {
		o.Event.Kind, o.Event.To, o.Event.Extra, o.Event.Err = events.Retransmit, model.SynSent, 99|2<<32, 113
		o.Event.Count, o.Segment, o.Count = uint8(events.AgainRTO), track.SegmentSYN, 2
	})
	add(func(o *track.Observation) {
		o.Event.Kind, o.Event.To, o.Event.Extra = events.SynAck, model.NewSynRecv, 99
		o.Segment, o.Count, o.ID = track.SegmentSYNACK, 1, 0
	})
	add(func(o *track.Observation) {
		o.Event.Kind, o.Event.To, o.Event.Extra = events.ResetSent, model.Close, 2
		o.Event.Flags |= model.ActiveReset
	})
	add(func(o *track.Observation) { o.Event.Kind, o.Event.To = events.ResetReceived, model.Established })
	add(func(o *track.Observation) {
		o.Event.Kind, o.Event.Where, o.Event.LostCount = events.Lost, events.WhereRing, 12
	})
	life, open := lives()
	add(func(o *track.Observation) {
		o.Event.Kind, o.Event.From, o.Event.To, o.Socket = events.Closed, model.LastAck, model.Close, life
		o.Judgement = model.Judgement{Verdict: life.End.Verdict, Rule: life.End.Rule}
	})
	*add(func(*track.Observation) {}) = *open.Observation(9e9)
	return all
}

func everyCounter() *events.Counters {
	var c events.Counters
	for n := range events.NumCounters {
		c.Set(n, uint64(n)*7)
	}
	return &c
}

// lives returns a life that has ended and one that has not.
func lives() (ended, open *track.Socket) {
	table := track.New(track.Options{KeepClosed: 1}, &tape{})
	ev := events.Event{Kind: events.Transition, SK: 1, Cookie: 5, Family: events.IPv4, Lport: 1, Rport: 2, Time: 1e9, InState: -1}
	numbers := map[model.State]model.Evidence{ // before each state
		model.Established: {SndUna: 1001, BytesAcked: 1, WriteSeq: 1001, RcvNxt: 5001, CopiedSeq: 5001},
		model.CloseWait:   {SndUna: 1001, BytesAcked: 1, WriteSeq: 1001, RcvNxt: 5002, CopiedSeq: 5001, BytesReceived: 1, Flags: model.Done},
		model.LastAck:     {SndUna: 1001, BytesAcked: 1, WriteSeq: 1001, RcvNxt: 5002, CopiedSeq: 5001, BytesReceived: 1, Flags: model.Done},
		model.Close:       {SndUna: 1002, BytesAcked: 2, WriteSeq: 1002, RcvNxt: 5002, CopiedSeq: 5001, BytesReceived: 1, Flags: model.Done},
	}
	for _, step := range [][2]model.State{{model.Close, model.SynSent}, {model.SynSent, model.Established}, {model.Established, model.CloseWait}} {
		ev.From, ev.To, ev.Time, ev.Evidence = step[0], step[1], ev.Time+1e6, numbers[step[1]]
		table.Apply(&ev)
	}
	row := table.Rows(nil)[0]
	o, _ := table.Socket(&row)
	for _, step := range [][2]model.State{{model.CloseWait, model.LastAck}, {model.LastAck, model.Close}} {
		ev.From, ev.To, ev.Time, ev.Evidence = step[0], step[1], ev.Time+1e6, numbers[step[1]]
		table.Apply(&ev)
		if again := ev; step[1] == model.LastAck {
			for i := range 2 {
				again.Kind, again.Extra, again.Time = events.Retransmit, 1001|1<<32, ev.Time+uint64(i)*200e6
				again.Count = uint8(events.AgainRTO)
				table.Apply(&again)
			}
			ev.Time = again.Time
		}
	}
	table.Finish()
	row = table.Rows(nil)[0]
	e, _ := table.Socket(&row)
	return &e, &o
}

func TestLinesGolden(t *testing.T) {
	e := Encoder{Epoch: epoch, ResetReason: reason}
	var got []byte
	for _, o := range kinds() {
		got = e.Append(got, o)
	}
	const path = "testdata/lines.golden"
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("lines differ from %s:\n%s", path, got)
	}
}

// documented is every field name of the public contract, and those that this
// version adds.
const documented = `event time mono_ns socket cookie netns netns_cookie family laddr lport raddr rport role
owner owner.pid owner.comm owner.fd owner.provenance actor actor.pid actor.comm
from to step in_state_ns verdict rule why state substate remaining_ns began held last_segment_ns last_received_ns last_sent_ns recv_q send_q snd_nxt rcv_nxt
listen listen.accept_queue listen.accept_limit listen.syn_queue listen.syn_limit listen.syn_young listen.unaccepted
netns_counters netns_counters.listen_overflows netns_counters.listen_drops netns_counters.syncookies_sent
netns_counters.syncookies_recv netns_counters.syncookies_failed netns_counters.req_q_full_do_cookies
netns_counters.req_q_full_drop netns_counters.tw_overflow netns_counters.tw netns_counters.tw_recycled
netns_counters.tw_killed netns_counters.embryonic_rsts netns_counters.abort_on_data netns_counters.abort_on_close
netns_counters.abort_on_memory netns_counters.abort_on_timeout netns_counters.abort_on_linger netns_counters.abort_failed
kind seq count cause err direction active reason where close_reason closed_by duration_ns complete
retransmits retransmits.syn retransmits.synack retransmits.fin retransmits.data retransmits.failed
retransmits.fast retransmits.probe retransmits.last retransmits.over_ns
history history.state history.ns sequence sequence.iss sequence.irs sequence.fin sequence.peer_fin
evidence evidence.err evidence.err_soft evidence.shutdown evidence.dead evidence.done evidence.owned
evidence.snd_una evidence.snd_nxt evidence.rcv_nxt evidence.write_seq evidence.copied_seq
evidence.bytes_acked evidence.bytes_received evidence.retransmits evidence.probes evidence.flags`

func TestFieldNames(t *testing.T) {
	e := Encoder{Epoch: epoch, ResetReason: reason}
	met := map[string]bool{}
	for _, o := range kinds() {
		var line map[string]any
		b := e.Append(nil, o)
		if err := json.Unmarshal(b, &line); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if n := bytes.Count(b, []byte("\n")); n != 1 || b[len(b)-1] != '\n' {
			t.Errorf("%q is not one line", b)
		}
		fields(line, "", met)
	}
	for name := range met {
		if !strings.Contains(" "+strings.ReplaceAll(documented, "\n", " ")+" ", " "+name+" ") {
			t.Errorf("field %s is not documented", name)
		}
	}
	for _, name := range strings.Fields(documented) {
		if !met[name] {
			t.Errorf("documented field %s is on no line", name)
		}
	}
}

func fields(v any, prefix string, met map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			met[prefix+name] = true
			fields(value, prefix+name+".", met)
		}
	case []any:
		for _, value := range v {
			fields(value, prefix, met)
		}
	}
}

func TestAppendAllocs(t *testing.T) {
	e := Encoder{Epoch: epoch, ResetReason: reason}
	b := make([]byte, 0, 4096)
	for i, o := range kinds() {
		if i == 1 {
			continue // a hostile name
		}
		if n := testing.AllocsPerRun(100, func() { b = e.Append(b[:0], o) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", b, n)
		}
	}
}

// Lives of five lines each.
func BenchmarkAppend(b *testing.B) {
	e := Encoder{Epoch: epoch, ResetReason: reason}
	o, line := kinds()[0], make([]byte, 0, 4096)
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n++
		o.ID = n / 5
		o.Event.Cookie, o.Event.Rport = o.ID, uint16(o.ID)
		o.Event.Time += 10_000
		line = e.Append(line[:0], o)
	}
}
