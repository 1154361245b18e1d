package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/mill"
)

// listed is a socket as a list has it, ss's or ours.
type listed struct {
	netns  uint32
	cookie string
	ssSocket
}

func (l listed) String() string {
	return fmt.Sprintf("%s %v>%v sk:%s in %d", l.state, l.local, l.remote, l.cookie, l.netns)
}

// list has sockets, each with who holds it.
type list map[listed]holders

// holders are the file descriptors that refer to a socket, by process.
type holders map[mill.Holder]bool

// truth is what ss shows of some namespaces.
type truth struct {
	full list // sockets
	mini list // mini-sockets, and those of requests
}

// both returns all of it.
func (s truth) both() list {
	all := maps.Clone(s.full)
	maps.Copy(all, s.mini)
	return all
}

var (
	ssCookie = regexp.MustCompile(`\bsk:([0-9a-f]+)`)
	ssHolder = regexp.MustCompile(`,pid=([0-9]+),fd=([0-9]+)\)`)
)

// ssTruth asks ss for the sockets of namespaces.
func ssTruth(t *testing.T, spaces ...*kerneltest.Netns) truth {
	t.Helper()
	s := truth{list{}, list{}}
	for _, ns := range spaces {
		var out []byte
		var err error
		ns.Do(func() { out, err = exec.Command("ss", "-tanepoOH").Output() })
		if err != nil {
			t.Fatalf("ss: %v", err)
		}
		for row := range bytes.Lines(out) {
			f := strings.Fields(string(row))
			if len(f) < 5 {
				t.Fatalf("ss: %s", row)
			}
			one := listed{netns: ns.Inum(), ssSocket: ssSocket{f[0], ssEndpoint(t, f[3], f[4]), ssEndpoint(t, f[4], f[3])}}
			if m := ssCookie.FindSubmatch(row); m != nil {
				one.cookie = string(m[1])
			}
			held := holders{}
			for _, m := range ssHolder.FindAllSubmatch(row, -1) {
				pid, _ := strconv.Atoi(string(m[1]))
				fd, _ := strconv.Atoi(string(m[2]))
				held[mill.Holder{PID: pid, FD: fd}] = true
			}
			if one.state == "SYN-RECV" || bytes.Contains(row, []byte("timer:(timewait,")) || one.state == "TIME-WAIT" {
				s.mini[one] = held
			} else {
				s.full[one] = held
			}
		}
	}
	return s
}

// disagreement is what a list has wrong, beside what ss showed before and after.
type disagreement struct {
	missing, phantom []listed
}

// differ compares a list of ours with two of ss's around it.
func differ(before, ours, after list) (d disagreement) {
	for one := range before {
		if _, ok := after[one]; !ok {
			continue // it has just changed
		}
		if _, ok := ours[one]; !ok {
			d.missing = append(d.missing, one)
		}
	}
	for one := range ours {
		if _, ok := before[one]; ok {
			continue
		}
		if _, ok := after[one]; !ok {
			d.phantom = append(d.phantom, one)
		}
	}
	return d
}

func (d disagreement) err() error {
	if len(d.missing)+len(d.phantom) == 0 {
		return nil
	}
	const most = 5
	return fmt.Errorf("%d missing %v, %d phantom %v", len(d.missing), d.missing[:min(most, len(d.missing))],
		len(d.phantom), d.phantom[:min(most, len(d.phantom))])
}

// twoRooms makes two joined namespaces, for a mill, with room for tens of thousands
// of connections, of which few leave something behind.
func twoRooms(t *testing.T) (a, b *kerneltest.Netns) {
	t.Helper()
	a, b = kerneltest.NewNetns(t), kerneltest.NewNetns(t)
	for _, ns := range []*kerneltest.Netns{a, b} {
		ns.Sysctl("net/ipv4/ip_local_port_range", portRange())
		ns.Sysctl("net/ipv4/tcp_max_tw_buckets", "2000")
	}
	kerneltest.Veth(t, a, b)
	return a, b
}

// heldOf is what a mill knows to be in CLOSE and held, by cookie: for sure, or
// perhaps.
func heldOf(p mill.Picture) (sure, perhaps map[listed]*mill.Socket) {
	sure, perhaps = map[listed]*mill.Socket{}, map[listed]*mill.Socket{}
	for i := range p.Sockets {
		s := &p.Sockets[i]
		if !s.Connected || len(s.Holders) == 0 {
			continue
		}
		one := listed{netns: s.Netns, cookie: strconv.FormatUint(s.Cookie, 16)}
		if s.Is("CLOSE") {
			sure[one] = s
		}
		if s.MayBe("CLOSE") {
			perhaps[one] = s
		}
	}
	return sure, perhaps
}

// Stopped at any moment, the inventory is what ss shows: nothing is missing,
// nothing is there that is not, and nobody is named who does not hold a socket.
// Sockets that ss does not show, in CLOSE and held, are those that their makers
// know of.
func TestSocketsAreThoseOfTheKernel(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	a, b := twoRooms(t)
	m := mill.Start(t, a, b, 1)
	stops := 12
	if kerneltest.Guest() != "" {
		stops = 4
	}
	total := kerneltest.Load(24000)
	var p mill.Picture
	seen := map[string]int{}
	for range stops {
		p = m.Make(total / stops)
		before := ssTruth(t, a, b)
		found := parseArray(t, mustOutput(t, "sockets", "-o", "json", "--holders", "--netns", fmt.Sprint(a.Inum()), "--netns", fmt.Sprint(b.Inum())))
		after := ssTruth(t, a, b)
		ours := checkInventory(t, found, p, before.both(), after.both())
		for one := range ours {
			seen[one.state]++
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d connections %v, seen %v", p.Made, p.Kinds, seen)
	for _, state := range []string{"LISTEN", "ESTAB", "FIN-WAIT-2", "CLOSE-WAIT", "TIME-WAIT", "UNCONN"} {
		if seen[state] == 0 {
			t.Errorf("no socket was in %s", state)
		}
	}
}

// checkInventory compares lines of an inventory with what ss and the mill know.
func checkInventory(t *testing.T, found []line, p mill.Picture, before, after list) list {
	t.Helper()
	ours, held := list{}, list{}
	for i := range found {
		l := &found[i]
		one := listed{l.Netns, l.Cookie, asSS(l)}
		to := ours
		if l.Held {
			to = held
		}
		if _, twice := to[one]; twice {
			t.Errorf("found twice: %v", one)
		}
		to[one] = nil
	}
	if err := differ(before, ours, after).err(); err != nil {
		t.Error(err)
	}
	sure, perhaps := heldOf(p)
	byCookie := list{}
	for one := range held {
		key := listed{netns: one.netns, cookie: one.cookie}
		byCookie[key] = nil
		if perhaps[key] == nil {
			t.Errorf("nobody holds %v", one)
		}
		ours[one] = nil
	}
	for key, s := range sure {
		if _, ok := byCookie[key]; !ok {
			t.Errorf("%s: socket %s is held by %v, and not found", s.Kind, key.cookie, s.Holders)
		}
	}
	checkOwners(t, found, p, before, after)
	return ours
}

// checkOwners checks that those named as holders are those that ss names, and the
// makers of the socket, and that the owner is one of them.
func checkOwners(t *testing.T, found []line, p mill.Picture, before, after list) {
	t.Helper()
	known := map[listed]holders{} // as their makers know
	for _, s := range p.Sockets {
		held := holders{}
		for _, h := range s.Holders {
			held[h] = true
		}
		known[listed{netns: s.Netns, cookie: strconv.FormatUint(s.Cookie, 16)}] = held
	}
	for i := range found {
		l := &found[i]
		one := listed{l.Netns, l.Cookie, asSS(l)}
		want, ok := before[one]
		if !ok {
			want = after[one]
		}
		if l.Held {
			want = known[listed{netns: l.Netns, cookie: l.Cookie}]
		} else if made, ok := known[listed{netns: l.Netns, cookie: l.Cookie}]; ok && l.State != "TIME_WAIT" && !maps.Equal(made, want) {
			t.Errorf("ss says that %v is held by %v, its makers %v", one, want, made)
		}
		checkOwner(t, l, want)
	}
}

func checkOwner(t *testing.T, l *line, want holders) {
	t.Helper()
	o := l.Owner
	got := holders{}
	for i := range o.Holders {
		if h := &o.Holders[i]; h.FD != nil {
			got[mill.Holder{PID: int(h.PID), FD: *h.FD}] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v is held by %v; found %v", l, slices.Collect(maps.Keys(want)), o.Holders)
	}
	switch {
	case o.Provenance != "exact":
		if len(want) > 0 {
			t.Errorf("%v: %s, held by %v", l, o.Provenance, slices.Collect(maps.Keys(want)))
		}
	case o.FD == nil || !want[mill.Holder{PID: int(o.PID), FD: *o.FD}]:
		t.Errorf("%v is held by %v", l, slices.Collect(maps.Keys(want)))
	}
}
