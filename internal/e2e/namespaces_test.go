package e2e

import (
	"fmt"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
	"github.com/tcpwatch/tcpwatch/internal/probe"
	"github.com/tcpwatch/tcpwatch/internal/track"
)

// Network namespaces come and go, with connections in them, while they are
// watched: nothing of them is left behind, neither descriptors nor sockets, and
// none of their events is missed.
func TestNamespacesComeAndGo(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	spaces, connections := 200, 10
	if kerneltest.Guest() != "" {
		spaces, connections = 20, 5
	}
	home := newNetns(t)
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{})
	r := start(t, "trace", "-o", "jsonl")
	r.ready(home)
	f := follow(t, probe.Options{})
	fds := fdsOf(t, r.cmd.Process.Pid)

	passed := map[uint64]bool{} // by cookie, or by number where there are none
	all := kerneltest.Churned{Connections: spaces * connections}
	for i := range spaces {
		ns := newNetns(t)
		passed[key(cookieOf(t, ns), ns.Inum())] = true
		ns.Do(func() {
			made := kerneltest.Churn(t, kerneltest.ChurnOptions{Connections: connections, Clients: 1})
			all.Ports = append(all.Ports, made.Ports...)
		})
		if i%(spaces/4) == 0 {
			mustOutput(t, "sockets", "-o", "jsonl") // walks them all, some of which end
		}
		if err := ns.File().Close(); err != nil {
			t.Fatal(err)
		}
	}

	kerneltest.AwaitNoError(t, mended, func() error { return f.none(passed) }, "no socket left in the table")
	kerneltest.AwaitNoError(t, patience, func() error {
		if n := fdsOf(t, r.cmd.Process.Pid); n > fds {
			return fmt.Errorf("%d are open, %d were", n, fds)
		}
		return nil
	}, "no descriptor left open")
	n := hidden(t, w, all.Ports)
	r.interrupt()
	lines := r.lines()
	checkChurn(t, sift(lines, func(l *line) bool { return passed[key(l.NetnsCookie, l.Netns)] }), all, lostOf(lines), n)
	t.Logf("%d namespaces with %d connections, %d hidden", spaces, all.Connections, n)
}

// key names a namespace: numbers are used again soon, cookies never, but not every
// kernel has them.
func key(cookie uint64, inum uint32) uint64 {
	if cookie != 0 {
		return cookie
	}
	return uint64(inum)
}

// none returns an error if the table has a socket of one of these namespaces that
// is not gone.
func (f *liveTable) none(passed map[uint64]bool) (err error) {
	f.t.Helper()
	asked := f.watch.Ask(f.t.Context(), func(table *track.Table) {
		for _, r := range table.Rows(nil) {
			s, ok := table.Socket(&r)
			if ok && passed[key(s.NetnsCookie, s.Netns)] && (s.Open() || s.Held()) {
				err = fmt.Errorf("%s %d>%d of namespace %d", s.State, s.Lport, s.Rport, s.Netns)
			}
		}
	})
	if asked != nil {
		f.t.Fatal(asked)
	}
	return err
}
