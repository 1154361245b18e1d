package soak

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// witness is the kernel's own record of what tcpwatch cannot tell: the RSTs that
// no socket sent, and what the kernel of a sandbox hides from every tracing
// program, which is all that happens while a thread of process 1 is current.
type witness struct {
	*kerneltest.Witness
	from   int64
	before map[int]bool // threads of process 1
}

func startWitness(t *testing.T) *witness {
	t.Helper()
	threads := threadsOf1(t)
	names := map[string]bool{}
	for _, name := range threads {
		names[name] = true
	}
	var by1 []string // by name: threads come and go
	for name := range names {
		by1 = append(by1, "COMM == "+strconv.Quote(name))
	}
	slices.Sort(by1)
	filter := strings.Join(by1, " || ")
	w := &witness{before: map[int]bool{}}
	for tid := range threads {
		w.before[tid] = true
	}
	w.Witness = kerneltest.NewWitness(t, kerneltest.WitnessOptions{
		Filter: filter,
		Also:   []string{kerneltest.RetransmitSkb, kerneltest.RetransmitSynack},
		Only: map[string]string{
			kerneltest.SendReset:   "state == 0 || state == 6 || state == 12 || " + filter, // no socket, TIME_WAIT, NEW_SYN_RECV
			kerneltest.TimerExpire: fmt.Sprintf("function == %#x && (%s)", addressOf(t, "tw_timer_handler"), filter),
		},
	})
	return w
}

// addressOf returns the address of a function of the kernel.
func addressOf(t *testing.T, function string) uint64 {
	t.Helper()
	symbols, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(symbols)) {
		if fields := strings.Fields(row); len(fields) > 2 && fields[2] == function {
			address, err := strconv.ParseUint(fields[0], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return address
		}
	}
	t.Fatalf("/proc/kallsyms has no %s", function)
	return 0
}

// threadsOf1 returns the names of process 1's threads.
func threadsOf1(t *testing.T) map[int]string {
	t.Helper()
	const dir = "/proc/1/task"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	threads := map[int]string{}
	for _, task := range tasks {
		name, err := os.ReadFile(dir + "/" + task.Name() + "/comm")
		if err != nil {
			continue // ended since
		}
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		threads[tid] = strings.TrimSpace(string(name))
	}
	return threads
}

// testimony is what the witness adds to the books.
type testimony struct {
	homeless map[tuple]int      // RSTs by the tuple of who sent them, of no full socket
	ofMinis  int                // how many of these mini-sockets sent
	again    int                // retransmits
	hidden   []kerneltest.Event // which tcpwatch cannot have seen
	timers   int                // of mini-sockets of the whole machine, likewise
}

func (w *witness) testify(t *testing.T) testimony {
	t.Helper()
	of1 := threadsOf1(t)
	y := testimony{homeless: map[tuple]int{}}
	for _, e := range w.Events() {
		if int64(e.Time) < w.from || e.Name != kerneltest.TimerExpire && !here(e.Saddr) && !here(e.Daddr) {
			continue
		}
		hidden := w.before[e.PID] || of1[e.PID] != ""
		if !hidden && !isRetransmit(&e) { // of a name that 1 has: it may have been one of its threads
			_, err := os.Stat("/proc/" + strconv.Itoa(e.PID))
			hidden = err != nil
		}
		switch {
		case isHomeless(&e):
			y.homeless[tupleOf(&e)]++
			if e.State == "TIME_WAIT" {
				y.ofMinis++
			}
		case e.Name == kerneltest.TimerExpire:
			if hidden {
				y.timers++
			}
		case isRetransmit(&e):
			y.again++
			if hidden {
				y.hidden = append(y.hidden, e)
			}
		case hidden && e.Name == kerneltest.SetState || hidden && e.Name == kerneltest.SendReset:
			y.hidden = append(y.hidden, e)
		}
	}
	return y
}

// sentAgain counts hidden retransmits, of which tcpwatch tells nothing.
func (y *testimony) sentAgain(syn bool) (n int) {
	for _, e := range y.hidden {
		if isRetransmit(&e) && (!syn || e.Name == kerneltest.RetransmitSynack || e.State == "SYN_SENT") {
			n++
		}
	}
	return n
}

// isHomeless reports whether an RST is of no full socket.
func isHomeless(e *kerneltest.Event) bool {
	return e.Name == kerneltest.SendReset && slices.Contains([]string{"", "TIME_WAIT", "NEW_SYN_RECV"}, e.State)
}

func isRetransmit(e *kerneltest.Event) bool {
	return e.Name == kerneltest.RetransmitSkb || e.Name == kerneltest.RetransmitSynack
}

// here reports whether an address is one of the room's servers.
func here(a netip.Addr) bool {
	return a == netip.MustParseAddr(host) || a == netip.MustParseAddr(host6)
}

func tupleOf(e *kerneltest.Event) tuple {
	return tuple{netip.AddrPortFrom(e.Saddr, e.Sport), netip.AddrPortFrom(e.Daddr, e.Dport)}
}

// explains reports whether something of a line's connection was hidden.
func (y *testimony) explains(l *line) bool {
	if l.Event == "time_wait" && l.End == "unknown" && y.timers > 0 {
		return true
	}
	return slices.ContainsFunc(y.hidden, func(e kerneltest.Event) bool {
		of := tupleOf(&e)
		return of == l.tuple() || of == l.tuple().peer() || e.Sport == 0 && of.remote == l.tuple().remote
	})
}
