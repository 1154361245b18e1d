package e2e

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Of tens of thousands of connections every line is there, once, and as the
// witness has it.
func TestTraceTellsEveryConnection(t *testing.T) {
	kerneltest.RequireRoot(t)
	kerneltest.LeakCheck(t)
	for _, o := range []kerneltest.ChurnOptions{
		{Connections: kerneltest.Load(manyConnections), Clients: 1},
		{Connections: kerneltest.Load(manyConnections), Clients: 1, IPv6: true, Reset: true},
	} {
		t.Run(fmt.Sprintf("IPv6=%v,Reset=%v", o.IPv6, o.Reset), func(t *testing.T) {
			ns := kerneltest.NewNetns(t)
			ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
			w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{BufferKB: 64 << 10})
			r := start(t, "trace", "-v", "-o", "jsonl", "--netns", fmt.Sprint(ns.Inum()))
			r.ready(ns)
			var made kerneltest.Churned
			ns.Do(func() { made = kerneltest.Churn(t, o) })
			r.interrupt()
			lines := r.lines()
			checkChurn(t, sift(lines, func(l *line) bool { return l.involves(made.Ports...) }), made, lostOf(lines), hidden(t, w, made.Ports))
			if t.Failed() {
				t.Log(r.stderr())
			}
			t.Logf("%.0f connections/s, %d transitions/s", made.Rate(), int(float64(made.Total())/made.Elapsed.Seconds()))
		})
	}
}

// lostOf sums up the events that the program says it has lost.
func lostOf(lines []line) (n int) {
	for i := range lines {
		if lines[i].Event == "lost" {
			n += int(lines[i].Count)
		}
	}
	return n
}

// hidden counts the transitions of ports that came while a thread of process 1
// was current: the kernels of some sandboxes run no tracing program then, and so
// not in an interrupt of one either, and do not count that.
func hidden(t *testing.T, w *kerneltest.Witness, ports []uint16) (n int) {
	t.Helper()
	threads, err := os.ReadDir("/proc/1/task")
	if err != nil {
		t.Fatal(err)
	}
	of1 := map[string]bool{}
	for _, thread := range threads {
		of1[thread.Name()] = true
	}
	for _, e := range w.Events() {
		if of1[strconv.Itoa(e.PID)] && (slices.Contains(ports, e.Sport) || slices.Contains(ports, e.Dport)) {
			n++
		}
	}
	return n
}

// checkChurn compares lines with what was made. Only what was lost or hidden may
// be missing.
func checkChurn(t *testing.T, lines []line, made kerneltest.Churned, lost, hidden int) {
	t.Helper()
	if hidden == 0 {
		noneImpossible(t, lines)
	}
	lost += hidden
	got := map[[2]string]int{}
	closed, births := map[string]int{}, map[uint64]bool{}
	for i := range lines {
		switch l := &lines[i]; l.Event {
		case "transition":
			got[[2]string{l.From, l.To}]++
			births[l.Socket] = true
		case "closed":
			closed[l.Verdict]++
		}
	}
	want := made.Transitions()
	sockets := 2*made.Connections + len(made.Ports)
	ended := 0
	for _, n := range closed {
		ended += n
	}
	if lost > 0 {
		t.Logf("%d lost, %d of them hidden", lost, hidden)
		missingAtMost(t, lost, got, want)
		return
	}
	if !maps.Equal(got, want) || len(births) != sockets || ended != sockets {
		t.Errorf("printed %v, want %v; %d sockets and %d ends, want %d", got, want, len(births), ended, sockets)
	}
	if closed["unjudged"] > 0 || !made.Reset && closed["normal"] != sockets {
		t.Errorf("ends are %v", closed)
	}
	if made.Reset && (closed["abnormal"] != made.Connections || closed["notable"] != made.Connections) {
		t.Errorf("ends are %v, want a reset received and one sent for each of %d connections", closed, made.Connections)
	}
}

// missingAtMost checks that what was printed lacks at most n of each transition
// that happened, and has no more of any.
func missingAtMost(t *testing.T, n int, printed, happened map[[2]string]int) {
	t.Helper()
	for pair, of := range printed {
		if of > happened[pair] {
			t.Errorf("%v: %d printed, %d happened", pair, of, happened[pair])
		}
	}
	for pair, of := range happened {
		if of-printed[pair] > n {
			t.Errorf("%v: %d are missing, and %d lost", pair, of-printed[pair], n)
		}
	}
}

// keepChurning makes connections over and over, with a pause between, until rest
// is called; rest waits for the last.
func keepChurning(t *testing.T, ns *kerneltest.Netns, o kerneltest.ChurnOptions, pause time.Duration) (rest func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(pause):
				ns.Do(func() { kerneltest.Churn(t, o) })
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
