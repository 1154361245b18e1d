package view

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/cgroup"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/waits"
	"github.com/tcpwatch/tcpwatch/model"
)

// Waits writes Reports of what waits as text.
type Waits struct {
	Headers bool
	Style   Style
	By      waits.By
	Netns   func(inum uint32) string // "" for a namespace without a name
	Here    uint32                   // tcpwatch's own network namespace, which is not named
	Width   int                      // of the screen, 0 where there is none
	Wide    bool                     // all that is known, however wide
}

// Write writes one Report.
func (v *Waits) Write(out io.Writer, r *waits.Report) error {
	var b strings.Builder
	for s := range r.Sections {
		v.part(&b, &r.Sections[s])
	}
	v.listeners(&b, r)
	v.ports(&b, r)
	if b.Len() == 0 {
		fmt.Fprintf(&b, "Of %s, none waits.\n", counted(r.Sockets, "socket"))
	}
	_, err := io.WriteString(out, b.String())
	if err != nil {
		return fmt.Errorf("write waits: %w", err)
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func (v *Waits) part(b *strings.Builder, p *waits.Part) {
	if p.Count == 0 {
		return
	}
	fmt.Fprintf(b, "%s  %s: %s\n", p.Section.Title(), counted(p.Count, "socket"), p.Section.Meaning())
	rows := make([][]string, 0, len(p.Groups))
	for i := range p.Groups {
		rows = append(rows, v.group(&p.Groups[i]))
	}
	v.table(b, []string{"COUNT", "OWNER", "WHERE", "OLDEST", "MEDIAN", "LAST MIN", "PER MIN", "UNREAD", "SENT AGAIN", "FDS", "OTHER END", "EXAMPLE"}, rows)
	if p.Section == waits.CloseWait || p.Section == waits.Held {
		v.leaks(b, p)
	}
	v.paired(b, p)
	if p.More > 0 {
		fmt.Fprintf(b, "  … and %s in %s more: --top shows them\n", counted(p.Rest, "socket"), counted(p.More, "group"))
	}
	v.advice(b, p.Advice)
}

// paired says what both ends together are, once for each rule, where that is more than
// normal.
func (v *Waits) paired(b *strings.Builder, p *waits.Part) {
	told := map[model.Rule]bool{}
	for i := range p.Groups {
		o := &p.Groups[i].Other
		if o.Count == 0 || o.Verdict <= model.Normal || told[o.Rule] {
			continue
		}
		told[o.Rule] = true
		fmt.Fprintf(b, "  %s: %s\n", v.Style.Verdict(o.Verdict), o.Rule.Why())
	}
}

func (v *Waits) advice(b *strings.Builder, text string) {
	if text != "" {
		fmt.Fprintf(b, "  → %s\n", text)
	}
	b.WriteByte('\n')
}

func (v *Waits) group(g *waits.Group) []string {
	least := ""
	if g.AtLeast {
		least = "≥ "
	}
	age := func(ns int64) string {
		if ns < 0 {
			return "-"
		}
		return least + Duration(ns)
	}
	if p := g.Section; p == waits.CloseWait || p == waits.Held {
		return append(v.columns(g, age), "-") // the example is told of below
	}
	return append(v.columns(g, age), tuple(&g.Example))
}

func (v *Waits) columns(g *waits.Group, age func(int64) string) []string {
	newer := "-"
	if g.Ages > 0 {
		newer = strconv.Itoa(g.Newer)
	}
	unread, again := "-", "-"
	if g.Unread > 0 || g.Section == waits.CloseWait {
		unread = bytesOf(g.Unread)
	}
	if g.Again > 0 {
		again = strconv.FormatUint(g.Again, 10)
	}
	return []string{
		strconv.Itoa(g.Count), v.owner(g), v.where(&g.Key), age(g.Oldest), age(g.Median), newer, signed(g.Rate), unread, again, fds(g, v.mostFDs()), v.other(g),
	}
}

// other names the other ends that this host has: of the one that has lasted longest.
func (v *Waits) other(g *waits.Group) string {
	o := &g.Other
	switch {
	case o.Count == 0:
		return "-"
	case o.Gone:
		return "gone"
	}
	text := o.State.String() + " of " + Owner(&events.Owner{PID: o.PID, Comm: o.Comm, Provenance: o.From})
	if o.Example.FD >= 0 {
		text += " fd " + strconv.Itoa(int(o.Example.FD))
	}
	if o.Example.Age >= 0 {
		least := ""
		if o.Example.AtLeast {
			least = "≥ "
		}
		text += ", " + least + Duration(o.Example.Age)
	}
	if s := v.space(o.Netns); s != "" && o.Netns != g.Key.Netns {
		text += ", " + s
	}
	if o.Count < g.Count {
		text += fmt.Sprintf(" (of %d)", o.Count)
	}
	return text
}

// mostFDs is how many descriptors of a group are listed.
func (v *Waits) mostFDs() int {
	if v.Wide {
		return waits.MaxFDs
	}
	return 4
}

func tuple(x *waits.Example) string {
	return endpoint(x.Family, &x.Local, x.Lport) + " > " + endpoint(x.Family, &x.Remote, x.Rport)
}

func (v *Waits) owner(g *waits.Group) string {
	k := &g.Key
	switch v.By {
	case waits.ByComm:
		if k.Comm[0] == 0 {
			return "?"
		}
		return printable.Comm(&k.Comm)
	case waits.ByContainer:
		if k.Container == "" {
			return "-"
		}
		return printable.String(cgroup.Short(k.Container))
	case waits.ByListener, waits.ByPeer:
		return "-"
	}
	return Owner(&events.Owner{PID: k.PID, Comm: k.Comm, Provenance: k.Provenance})
}

func (v *Waits) where(k *waits.Key) string {
	var parts []string
	switch {
	case k.Lport != 0:
		parts = append(parts, "listener :"+strconv.Itoa(int(k.Lport)))
	case k.Family != 0 && k.Rport != 0:
		parts = append(parts, "to "+endpoint(k.Family, &k.Raddr, k.Rport))
	case k.Family != 0:
		parts = append(parts, "from "+events.Addr(k.Family, &k.Raddr).String())
	}
	if k.Kind != waits.KindNone {
		parts = append(parts, kindWords[k.Kind])
	}
	if s := v.space(k.Netns); s != "" {
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

var kindWords = map[waits.Kind]string{waits.KindHeld: "held", waits.KindOrphan: "orphan", waits.KindMini: "mini-socket"}

// space names a network namespace that is not tcpwatch's own.
func (v *Waits) space(inum uint32) string {
	if inum == v.Here {
		return ""
	}
	name := ""
	if v.Netns != nil {
		name = v.Netns(inum)
	}
	if name == "" {
		name = strconv.FormatUint(uint64(inum), 10)
	}
	return "netns " + printable.String(name)
}

func fds(g *waits.Group, most int) string {
	if len(g.FDs) == 0 {
		return "-"
	}
	var all []string
	for _, fd := range g.FDs[:min(len(g.FDs), most)] {
		all = append(all, strconv.Itoa(int(fd)))
	}
	s := strings.Join(all, ",")
	if g.Holding > len(all) {
		s += fmt.Sprintf(",… (%d)", g.Holding)
	}
	return s
}

func signed(perMinute float64) string {
	if math.IsNaN(perMinute) {
		return "-"
	}
	return fmt.Sprintf("%+.0f", perMinute)
}

// bytesOf prints a number of bytes with a unit of 1024.
func bytesOf(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1024 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f%ciB", v, "KMGTP"[unit])
}

func endpoint(f events.Family, a *[16]byte, port uint16) string {
	return Endpoint(netip.AddrPortFrom(events.Addr(f, a), port))
}

func (v *Waits) listeners(b *strings.Builder, r *waits.Report) {
	if len(r.Listeners) == 0 {
		return
	}
	b.WriteString("LISTEN  connections wait for these\n")
	rows := make([][]string, 0, len(r.Listeners))
	for i := range r.Listeners {
		l := &r.Listeners[i]
		syn, overflows := "-", "-"
		if l.Queues.Known {
			syn = fmt.Sprintf("%d/%d", l.Queues.SYN, l.Queues.SYNLimit)
		}
		if n, ok := l.Overflows(); ok {
			overflows = strconv.FormatUint(n, 10)
		}
		accept := fmt.Sprintf("%d/%d", l.Queues.Accept, l.Queues.AcceptLimit)
		if l.Full() {
			accept += " full"
		}
		where := endpoint(l.Family, &l.Addr, l.Port)
		if s := v.space(l.Netns); s != "" {
			where += ", " + s
		}
		rows = append(rows, []string{accept, syn, overflows, Owner(&events.Owner{PID: l.PID, Comm: l.Comm, Provenance: l.Provenance}), where})
	}
	v.table(b, []string{"ACCEPT-Q", "SYN-Q", "NETNS OVERFLOWS", "OWNER", "WHERE"}, rows)
	v.advice(b, r.Listeners[0].Advice(settingsOf(r, r.Listeners[0].Netns)))
}

// settingsOf returns those of a network namespace, nil if they are not known.
func settingsOf(r *waits.Report, netns uint32) *waits.Settings {
	for i := range r.Spaces {
		if r.Spaces[i].Netns == netns {
			return r.Spaces[i].Settings
		}
	}
	return nil
}

func (v *Waits) ports(b *strings.Builder, r *waits.Report) {
	if len(r.Pressure) == 0 {
		return
	}
	b.WriteString("PORTS  of those that connect() may choose, by source and destination\n")
	rows := make([][]string, 0, len(r.Pressure))
	for i := range r.Pressure {
		p := &r.Pressure[i]
		where := events.Addr(p.Family, &p.Source).String() + " to " + endpoint(p.Family, &p.Dest, p.Port)
		if s := v.space(p.Netns); s != "" {
			where += ", " + s
		}
		left := "-"
		switch {
		case p.Left == 0:
			left = "exhausted"
		case p.Left > 0:
			left = "in " + Duration(p.Left)
		}
		rows = append(rows, []string{
			fmt.Sprintf("%.1f%%", 100*p.Ratio()), fmt.Sprintf("%d/%d", p.Taken(), p.Usable), strconv.Itoa(p.TimeWait), strconv.Itoa(p.Reusable),
			signed(p.Rate), left, strconv.FormatUint(p.Failed, 10), where,
		})
	}
	v.table(b, []string{"TAKEN", "PORTS", "TIME_WAIT", "REUSABLE", "PER MIN", "EXHAUSTED", "FAILED", "WHERE"}, rows)
	worst := &r.Pressure[0]
	for i := range r.Spaces {
		if s := &r.Spaces[i]; s.Netns == worst.Netns && s.Settings != nil {
			if !s.BoundKnown {
				b.WriteString("  Ports that are only bound, to no peer, are not counted: the kernel shows them from 6.8 on.\n")
			}
			v.advice(b, worst.Advice(s.Settings))
		}
	}
}

// dispensable are the columns that a narrow screen does without, the first first.
var dispensable = []string{"EXAMPLE", "MEDIAN", "SENT AGAIN", "UNREAD", "NETNS OVERFLOWS", "REUSABLE", "FAILED", "FDS", "LAST MIN", "TIME_WAIT", "OTHER END"}

// fit leaves out what no row has, and of the rest what the screen has no room for.
func (v *Waits) fit(header []string, rows [][]string) ([]string, [][]string) {
	drop := func(i int) {
		header = slices.Delete(slices.Clone(header), i, i+1)
		for r := range rows {
			rows[r] = slices.Delete(rows[r], i, i+1)
		}
	}
	width := func(i int) (n int) {
		n = utf8.RuneCountInString(header[i])
		for _, row := range rows {
			n = max(n, utf8.RuneCountInString(row[i]))
		}
		return n
	}
	for i := len(header) - 1; i >= 0; i-- {
		if !slices.ContainsFunc(rows, func(row []string) bool { return row[i] != "-" }) {
			drop(i)
		}
	}
	for _, name := range dispensable {
		total := 0
		for i := range header {
			total += width(i) + 2 // between columns, and the indent
		}
		if i := slices.Index(header, name); v.Width > 0 && !v.Wide && total > v.Width && i >= 0 {
			drop(i)
		}
	}
	return header, rows
}

// table writes rows below a header, indented.
func (v *Waits) table(b *strings.Builder, header []string, rows [][]string) {
	header, rows = v.fit(header, rows)
	t := Sockets{out: indented{b}, Headers: v.Headers, rows: rows}
	_ = t.fit(header) // a Builder does not fail
}

// indented is a writer of lines that begin with two blanks.
type indented struct{ b *strings.Builder }

func (w indented) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		w.b.WriteString("  " + line)
	}
	return len(p), nil
}
