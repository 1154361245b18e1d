package e2e

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/mill"
)

// soakVariable is the environment variable that says for how long to soak: 10m.
const soakVariable = "TCPWATCH_SOAK"

// sample is what a process takes at a moment.
type sample struct {
	rss int // KiB
	fds int
}

// However long connections come and go, the program takes no more memory and no
// more descriptors.
func TestSoak(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	length, err := time.ParseDuration(cmp.Or(os.Getenv(soakVariable), "10s"))
	if err != nil {
		t.Fatalf("parse %s: %v", soakVariable, err)
	}
	a, b := twoRooms(t)
	for _, room := range []*kerneltest.Netns{a, b} { // or their number would grow for a minute
		room.Sysctl("net/ipv4/tcp_max_tw_buckets", "2000")
	}
	hidden := watchHidden(t)
	m := mill.Start(t, a, b, 6)
	r := start(t, "trace", "-o", "jsonl", `event == "lost" or verdict == "impossible" or event == "transition" and from == "LISTEN" and to == "CLOSE"`)
	r.ready(a)
	samples := soak(t, r, m, length)

	samples = samples[len(samples)/5:] // until then it has met everything once
	third := len(samples) / 3
	first, last := median(samples[:third]), median(samples[2*third:])
	// The queue before the output makes room once it needs it, and keeps that; so does
	// the table for what others do. A life that is not given back takes 600 bytes of each
	// connection's end: 180 MB in a minute.
	const slack = 32 << 10
	if last.rss > first.rss+first.rss/10+slack {
		t.Errorf("it takes %d KiB, and took %d", last.rss, first.rss)
	}
	if last.fds != first.fds {
		t.Errorf("it has %d descriptors open, and had %d", last.fds, first.fds)
	}
	r.interrupt()
	if hidden() == 0 {
		noneImpossible(t, sift(r.lines(), func(l *line) bool { return l.Netns == a.Inum() || l.Netns == b.Inum() }))
	}
	t.Logf("from %d to %d KiB, %d descriptors, %d hidden: %s", first.rss, last.rss, first.fds, hidden(), r.stderr())
}

// soak makes connections for some time, at a pace that leaves others room, and
// looks at the program now and then.
func soak(t *testing.T, r *run, m *mill.Mill, length time.Duration) (samples []sample) {
	t.Helper()
	const pause, each = 200 * time.Millisecond, 500
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var p mill.Picture
	for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
		p = m.Make(each)
		samples = append(samples, take(t, r.cmd.Process.Pid))
	}
	t.Logf("%d connections in %v", p.Made, length)
	return samples
}

// median returns the median of each number.
func median(samples []sample) (m sample) {
	var rss, fds []int
	for _, s := range samples {
		rss, fds = append(rss, s.rss), append(fds, s.fds)
	}
	slices.Sort(rss)
	slices.Sort(fds)
	return sample{rss[len(rss)/2], fds[len(fds)/2]}
}

func take(t *testing.T, pid int) (s sample) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(text)) {
		if size, ok := strings.CutPrefix(row, "VmRSS:"); ok {
			if s.rss, err = strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(size), "kB"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.fds = fdsOf(t, pid)
	return s
}

// fdsOf counts the descriptors of a process.
func fdsOf(t *testing.T, pid int) int {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
