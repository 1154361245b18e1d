package main

import (
	"io"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/record"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Each namespace that a listener asked for is in is told of once.
func TestNamespacesAreToldOfOnce(t *testing.T) {
	f, err := filter.New(filter.Flags{Lport: []string{"80"}}, "", netnsByName)
	if err != nil {
		t.Fatal(err)
	}
	counted := countedNamespaces{to: only{f, nil, record.NewWriter(io.Discard, record.Encoder{})}}
	var counters events.Counters
	counters.Set(events.ListenOverflows, 12)
	counters.Set(events.SyncookiesSent, 0)
	for _, l := range []struct {
		netns uint32
		lport uint16
		more  *events.Listen
	}{
		{7, 80, &events.Listen{Counters: &counters}}, {7, 80, &events.Listen{Counters: &counters}}, {9, 80, &events.Listen{Counters: &counters}},
		{8, 81, &events.Listen{Counters: &counters}}, {6, 80, &events.Listen{}}, {5, 80, nil},
	} {
		o := track.Observation{Listen: l.more}
		o.Event.Kind, o.Event.To, o.Event.Netns, o.Event.Lport = events.Inventory, model.Listen, l.netns, l.lport
		counted.Observe(&o)
	}
	var b strings.Builder
	counted.print(&b, map[uint32]string{7: "green\x1b"})
	const want = "netns green\\x1b: 12 listen overflows, 0 SYN cookies sent\nnetns 9: 12 listen overflows, 0 SYN cookies sent\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
