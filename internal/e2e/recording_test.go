package e2e

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/mill"
)

// traceRooms records what happens in two namespaces.
func traceRooms(t *testing.T, a, b *kerneltest.Netns, args ...string) *run {
	t.Helper()
	r := start(t, append([]string{"trace", "-o", "jsonl", "--netns", fmt.Sprint(a.Inum()), "--netns", fmt.Sprint(b.Inum())}, args...)...)
	r.ready(a)
	return r
}

// checkRecording compares the end of a recording with what ss shows around it.
func (r *run) checkRecording(a, b *kerneltest.Netns) error {
	r.t.Helper()
	before := ssTruth(r.t, a, b)
	found := parseArray(r.t, mustOutput(r.t, "sockets", "-o", "json", "-r", filepath.Join(r.dir, "stdout")))
	after := ssTruth(r.t, a, b)
	open := list{}
	for i := range found {
		if l := &found[i]; !l.Held && l.State != "TIME_WAIT" && l.State != "NEW_SYN_RECV" {
			open[listed{l.Netns, l.Cookie, asSS(l)}] = nil
		}
	}
	return differ(known(r.t, before.full), known(r.t, open), known(r.t, after.full)).err()
}

// settle waits until no segment is on its way any more that changes a state: a FIN
// may be acknowledged late.
func settle(t *testing.T, spaces ...*kerneltest.Netns) {
	t.Helper()
	kerneltest.AwaitNoError(t, patience, func() error {
		for one := range ssTruth(t, spaces...).full {
			switch one.state {
			case "FIN-WAIT-1", "LAST-ACK", "CLOSING", "SYN-SENT", "SYN-RECV":
				return fmt.Errorf("%v", one)
			}
		}
		return nil
	}, "the last segments")
}

// A recording ends with the sockets that there are: those that it saw come, and
// those that were there.
func TestRecordingEndsWithWhatIsThere(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	a, b := twoRooms(t)
	hidden := watchHidden(t)
	m := mill.Start(t, a, b, 4)
	m.Make(kerneltest.Load(1000))
	r := traceRooms(t, a, b)
	p := m.Make(kerneltest.Load(2000))
	settle(t, a, b)
	r.interrupt()
	if err := r.checkRecording(a, b); err != nil && hidden()+lostOf(r.lines()) == 0 {
		t.Error(err)
	}
	seen, before := 0, 0
	for _, l := range parseArray(t, mustOutput(t, "sockets", "-o", "json", "-r", filepath.Join(r.dir, "stdout"))) {
		if l.State == "LISTEN" || l.State == "CLOSE" || l.State == "TIME_WAIT" {
			continue
		}
		if l.Began == "before" {
			before++
			continue
		}
		seen++
		if l.InStateNS == nil {
			t.Errorf("since when is not told of %v", &l)
		}
	}
	if seen == 0 {
		t.Error("nothing that the recording saw come")
	}
	t.Logf("%d connections, %d sockets at the end that the recording saw come, %d that were there", p.Made, seen, before)
}
