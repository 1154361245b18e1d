package filter

import (
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

const id = "7f5fd3ea8a6a4aa4e0b9ea1ea4a1b5e1e08d44ab4d2c8a4b1d0c6e6a5c0f9b3d"

func in(container string) func(*track.Observation) {
	return func(o *track.Observation) {
		o.Process = &events.Process{Container: container, Unit: "docker.service", Cmdline: "nginx -g"}
	}
}

func nobody(o *track.Observation) { o.Owner = events.Owner{FD: -1} }

// A container is meant by its id, by the id's first digits, or by its name.
func TestContainerFlag(t *testing.T) {
	cases := []struct {
		wish string
		o    *track.Observation
		want bool
	}{
		{id, edge(in(id)), true},
		{id[:12], edge(in(id)), true},
		{id[:4], edge(in(id)), true},
		{id[:3], edge(in(id)), false},
		{"ffff", edge(in(id)), false},
		{"web-1", edge(in("web-1")), true},
		{"web-*", edge(in("web-1")), true},
		{"web-", edge(in("web-1")), false},
		{id[:12], edge(), false},
		{id[:12], edge(in(id), nobody), false},
	}
	for _, c := range cases {
		f, err := New(Flags{Container: []string{c.wish}}, "", byName)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Match(c.o); got != c.want {
			t.Errorf("--container %q: %v, want %v", c.wish, got, c.want)
		}
		if !f.AsksProcess() {
			t.Errorf("--container %q does not ask for the process", c.wish)
		}
	}
}

func TestProcessFields(t *testing.T) {
	cases := []struct {
		source      string
		o           *track.Observation
		match, asks bool
	}{
		{`owner.container startsWith "7f5f"`, edge(in(id)), true, true},
		{`owner.container == ""`, edge(), true, true},
		{`owner.unit == "docker.service" and owner.cmdline contains "-g"`, edge(in(id)), true, true},
		{`owner.unit == "docker.service"`, edge(in(id), nobody), false, true},
		{`owner.note == "orphan"`, edge(func(o *track.Observation) { o.Owner.Note = events.NoteOrphan }), true, false},
		{`netns_name == "blue"`, edge(func(o *track.Observation) { o.NetnsName = "blue" }), true, false},
		{`owner.comm == "nginx"`, edge(), true, false},
	}
	for _, c := range cases {
		f, err := New(Flags{}, c.source, byName)
		if err != nil {
			t.Fatal(err)
		}
		if f.Match(c.o) != c.match || f.AsksProcess() != c.asks {
			t.Errorf("%s: %v, asks %v; want %v, %v", c.source, f.Match(c.o), f.AsksProcess(), c.match, c.asks)
		}
	}
}

// A row's process is looked for only if the question is about it.
func TestRowsAskForTheProcess(t *testing.T) {
	row := &track.Row{Owner: edge().Owner}
	for wish, want := range map[string]bool{id[:12]: true, "ffff": false, "": true} {
		flags, asked := Flags{}, 0
		if wish != "" {
			flags.Container = []string{wish}
		}
		f, err := New(flags, "", byName)
		if err != nil {
			t.Fatal(err)
		}
		f.Process = func(w *events.Owner) *events.Process {
			asked++
			return &events.Process{Container: id}
		}
		if got := f.MatchRow(row); got != want || (asked > 0) != (wish != "") {
			t.Errorf("%q: %v, asked %d times", wish, got, asked)
		}
	}
}

func TestNoSelf(t *testing.T) {
	for _, c := range []struct {
		self  uint32
		o     *track.Observation
		match bool
	}{
		{80, edge(), false}, {81, edge(), true}, {0, edge(), true},
		{80, edge(func(o *track.Observation) { o.Owner.Provenance = events.ProvenanceInherited }), false},
		{80, edge(func(o *track.Observation) { o.Owner.Provenance = events.ProvenanceUnknown }), true},
		{80, edge(func(o *track.Observation) { o.Event.Kind = events.Lost }), true},
	} {
		f, err := New(Flags{NoSelf: true}, "", byName)
		if err != nil {
			t.Fatal(err)
		}
		f.Self = c.self
		if f.Match(c.o) != c.match {
			t.Errorf("self %d: %v, want %v", c.self, !c.match, c.match)
		}
	}
}

// What a process is called decides nothing but what it is compared with.
func TestHostileCommandLines(t *testing.T) {
	f, err := New(Flags{Container: []string{"["}}, "", byName)
	if err != nil {
		t.Fatal(err)
	}
	if f.Match(edge(in(strings.Repeat("[", 300)))) {
		t.Error("a bad pattern matches")
	}
	if !f.Match(edge(in("["))) {
		t.Error("a name does not match itself")
	}
}
