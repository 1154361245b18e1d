package view

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
	"unicode/utf8"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/model"
)

// waiting is a host where something of each kind waits, for processes with some
// names.
func waiting(t *testing.T, by waits.By, names ...string) *waits.Report {
	t.Helper()
	sysctls := fstest.MapFS{}
	for name, text := range map[string]string{
		"ip_local_port_range": "32768\t32867", "ip_local_reserved_ports": "", "tcp_tw_reuse": "2", "tcp_timestamps": "1",
		"tcp_max_tw_buckets": "16384", "tcp_fin_timeout": "60", "tcp_syn_retries": "6", "tcp_abort_on_overflow": "0",
	} {
		sysctls[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	settings, err := waits.ReadSettings(sysctls)
	if err != nil {
		t.Fatal(err)
	}
	c := waits.New(waits.Options{By: by, Top: 3, Settings: func(uint32) *waits.Settings { return settings }})
	id := uint64(0)
	add := func(state model.State, lport, rport uint16, change func(*track.Observation)) {
		id++
		name := names[int(id)%len(names)]
		o := track.Observation{
			Event: events.Event{
				Kind: events.Inventory, Netns: 4026531840, Family: events.IPv4, Saddr: [16]byte{10, 0, 0, 1}, Daddr: [16]byte{10, 0, 0, 2},
				Lport: lport, Rport: rport, To: state, Cookie: 0x1000 + id, InState: -1,
			},
			ID: id, InState: int64(id) * 7e9, Owner: events.Owner{PID: 811, Comm: comm(name), FD: int32(id), Provenance: events.ProvenanceExact},
			Process: &events.Process{Container: name},
		}
		if change != nil {
			change(&o)
		}
		c.Observe(&o)
	}
	add(model.Listen, 8080, 0, func(o *track.Observation) {
		o.Event.SetQueues(events.Queues{Accept: 129, AcceptLimit: 128, SYN: 2, SYNLimit: 128, Young: 1, Known: true})
	})
	for i := range uint16(5) {
		add(model.CloseWait, 8080, 50000+i, func(o *track.Observation) {
			o.Stack, o.Event.RcvNxt = 3, 1000
			o.Event.SetAges(events.Ages{Segment: 7e9, Received: 9e9, Sent: 8e9})
			o.Holders = []events.Owner{o.Owner, {PID: 812, Comm: o.Owner.Comm, FD: 9, Provenance: events.ProvenanceExact}}
		})
	}
	add(model.Close, 40001, 443, func(o *track.Observation) {
		o.InState = -1
		o.Event.SetAges(events.Ages{Segment: 61e9, Received: -1, Sent: -1})
	})
	add(model.FinWait2, 32768, 443, nil)
	add(model.SynSent, 32769, 444, nil)
	add(model.NewSynRecv, 8080, 50100, nil)
	for i := range uint16(60) {
		add(model.TimeWait, 32770+i, 443, func(o *track.Observation) { o.Event.From, o.Event.Extra = model.TimeWait, 30e9 })
	}
	r := c.Report(1000e9)
	for g := range r.Leaks {
		g.Example.History = []track.Step{
			{Time: 900e9, State: model.SynRecv}, {Time: 900.00001e9, State: model.Established}, {Time: 950e9, State: model.CloseWait},
		}
		if g.Stacked > 0 {
			g.Frames = []string{"accept4+0x12 (libc.so.6)", "main.serve (" + "serve.go:42)"}
		}
	}
	return r
}

func waitsText(r *waits.Report, change func(*Waits)) string {
	var b bytes.Buffer
	v := Waits{Headers: true, Here: 4026531840}
	if change != nil {
		change(&v)
	}
	_ = v.Write(&b, r)
	return b.String()
}

func waitsCSV(r *waits.Report) string {
	var b bytes.Buffer
	_ = WaitsCSV(&b, r, true)
	return b.String()
}

func TestWaitsGolden(t *testing.T) {
	r := waiting(t, waits.ByDefault, "nginx")
	golden(t, "waits", waitsText(r, nil))
	golden(t, "waits_wide", waitsText(r, func(v *Waits) { v.Wide = true }))
	golden(t, "waits_80", waitsText(r, func(v *Waits) { v.Width = 80 }))
	golden(t, "waits_peer", waitsText(waiting(t, waits.ByPeer, "nginx"), func(v *Waits) { v.By = waits.ByPeer }))
	golden(t, "waits_csv", waitsCSV(r))
	golden(t, "waits_none", waitsText(waits.New(waits.Options{}).Report(1), nil))
}

// The tables fit the screen: what is explained in sentences may wrap.
func TestWaitsFitsTheScreen(t *testing.T) {
	for _, width := range []int{80, 100, 132} {
		text := waitsText(waiting(t, waits.ByDefault, "nginx"), func(v *Waits) { v.Width = width })
		inTable := false
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "  COUNT") || strings.HasPrefix(line, "  ACCEPT") || strings.HasPrefix(line, "  TAKEN") {
				inTable = true
			} else if !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "  e.g.") || strings.HasPrefix(line, "  Ports") || strings.HasPrefix(line, "  →") {
				inTable = false
			}
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); inTable && n > width {
				t.Errorf("%d columns on a screen of %d: %s", n, width, line)
			}
		}
	}
}

func TestWaitsHostileNames(t *testing.T) {
	names := []string{"\xff\x1b[2Jx\n\t]0;", "\x1b]52;c;cm0=\x07", "\u202egpj.e", "=cmd|' /C'!A0", "\"q\",x", ""}
	for i := range names {
		for by := waits.ByDefault; by <= waits.ByPeer; by++ {
			r := waiting(t, by, names[i:]...)
			set := func(v *Waits) { v.By, v.Wide = by, true }
			for kind, out := range map[string]string{"text": waitsText(r, set), "csv": waitsCSV(r)} {
				for _, c := range out {
					if c != '\n' && (c == unicode.ReplacementChar || !unicode.IsPrint(c)) {
						t.Fatalf("%s with %q holds %U", kind, names[i], c)
					}
				}
			}
			rows, err := csv.NewReader(strings.NewReader(waitsCSV(r))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				for at, f := range row {
					if strings.IndexAny(f, "=+@") == 0 {
						t.Errorf("%s is %q", waitsHeader[at], f)
					}
				}
			}
		}
	}
}
