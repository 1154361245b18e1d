package record

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// found is a socket that was found, with all that may be known of its owner.
func found(texts string) *track.Observation {
	comm := [16]byte{}
	copy(comm[:15], texts)
	w := events.Owner{PID: 80, FD: 5, Comm: comm, Provenance: events.ProvenanceExact, Note: events.NoteOrphan}
	other := w
	other.PID, other.FD, other.Note = 81, 6, events.NoteNone
	first := w
	first.Note = events.NoteNone
	return &track.Observation{
		Event:     events.Event{Kind: events.Inventory, Time: 5, To: model.Established, Family: events.IPv4, Lport: 80, InState: -1},
		Judgement: model.Judgement{Verdict: model.Unjudged, Rule: model.RuleBeganBefore},
		ID:        1, InState: -1, Began: track.BeganInPast, Owner: w, NetnsName: texts,
		Process: &events.Process{Container: texts, Unit: texts, Cmdline: texts},
		Holders: []events.Owner{first, other}, Holding: 9,
	}
}

// What a line says of the owner is read back, and written again alike, whatever
// somebody put into the names.
func TestOwnersAreReadBack(t *testing.T) {
	for _, texts := range []string{"plain", `a "b" \ c`, "\x1b[2J\n", "\xff\xfe", "a\u202eb", "ü"} {
		o := found(texts)
		var e Encoder
		line := e.Append(nil, o)
		for _, r := range strings.TrimSuffix(string(line), "\n") {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q: the line holds %U", texts, r)
			}
		}
		l, err := ParseLine(line)
		if err != nil {
			t.Fatalf("%q: %v: %s", texts, err, line)
		}
		var ev events.Event
		if err := l.event(&ev, line, nil); err != nil {
			t.Fatalf("%q: %v", texts, err)
		}
		r := ev.Recorded
		if r.Owner != o.Owner || *r.Process != *o.Process || r.NetnsName != o.NetnsName || r.Holding != o.Holding || !slices.Equal(r.Holders, o.Holders) {
			t.Errorf("%q: read back as %+v", texts, r)
		}
		var again []byte
		table := track.New(track.Options{Replay: true}, sinkFunc(func(o *track.Observation) { again = e.Append(again, o) }))
		table.Apply(&ev)
		table.Finish()
		if string(again) != string(line) {
			t.Errorf("written again as\n%s want\n%s", again, line)
		}
	}
}

type sinkFunc func(*track.Observation)

func (f sinkFunc) Observe(o *track.Observation) { f(o) }

// What is not known has no field.
func TestUnknownOwnersHaveNoFields(t *testing.T) {
	o := found("x")
	o.Owner, o.Process, o.Holders, o.NetnsName = events.Owner{FD: -1, Note: events.NoteInFlight}, nil, nil, ""
	var e Encoder
	var line struct {
		Netns *string `json:"netns_name"`
		Owner map[string]any
	}
	if err := json.Unmarshal(e.Append(nil, o), &line); err != nil {
		t.Fatal(err)
	}
	if len(line.Owner) != 2 || line.Owner["provenance"] != "unknown" || line.Owner["note"] != "in_flight" || line.Netns != nil {
		t.Errorf("%+v, want the provenance and the note alone", line)
	}
}
