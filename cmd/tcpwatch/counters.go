package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/netns"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// countedNamespaces is a Sink that notes the counters of each network namespace
// that somebody listens in and the user asked for.
type countedNamespaces struct {
	to    only
	order []uint32
	of    map[uint32]*events.Counters
}

// Observe implements track.Sink.
func (c *countedNamespaces) Observe(o *track.Observation) {
	c.to.Observe(o)
	if l := o.Listen; l == nil || l.Counters == nil || !c.to.filter.Match(o) {
		return
	}
	if c.of == nil {
		c.of = map[uint32]*events.Counters{}
	}
	if inum := o.Event.Netns; c.of[inum] == nil {
		c.of[inum] = o.Listen.Counters
		c.order = append(c.order, inum)
	}
}

// said are the counters that are printed of each namespace: what it did to those
// who wanted to connect.
var said = [...]struct {
	counter events.Counter
	words   string
}{
	{events.ListenOverflows, "listen overflows"},
	{events.ListenDrops, "listen drops"},
	{events.SyncookiesSent, "SYN cookies sent"},
	{events.ReqQFullDrop, "SYNs dropped"},
	{events.TimeWaitOverflow, "TIME_WAIT overflows"},
}

// print names the namespaces that have a name in names.
func (c *countedNamespaces) print(w io.Writer, names map[uint32]string) {
	for _, inum := range c.order {
		var parts []string
		for _, s := range said {
			if n, ok := c.of[inum].Get(s.counter); ok {
				parts = append(parts, strconv.FormatUint(n, 10)+" "+s.words)
			}
		}
		fmt.Fprintf(w, "netns %s: %s\n", nameOr(names[inum], inum), strings.Join(parts, ", "))
	}
}

func nameOr(name string, inum uint32) string {
	if name != "" {
		return printable.String(name)
	}
	return strconv.FormatUint(uint64(inum), 10)
}

// namesOfNamespaces returns the names under /run/netns, as far as they can be
// read.
func namesOfNamespaces() map[uint32]string {
	names := map[uint32]string{}
	all, _, err := netns.List()
	if err != nil {
		return names
	}
	for _, ns := range all {
		names[ns.Inum] = ns.Name
	}
	return names
}
