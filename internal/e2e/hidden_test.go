package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// firstPort and lastPort are the local ports of the namespaces of twoRooms.
const firstPort, lastPort = 2000, 32000

// watchHidden begins to count the transitions between two ports of twoRooms that
// come while a thread of process 1 is current, as hidden does, and no others: the
// record stays small however many there are.
func watchHidden(t *testing.T) (count func() int) {
	t.Helper()
	threads := func() map[string]bool {
		names, err := os.ReadDir("/proc/1/task")
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, name := range names {
			all[name.Name()] = true
		}
		return all
	}
	of1 := threads()
	var conditions []string
	for tid := range of1 {
		conditions = append(conditions, "common_pid == "+tid)
	}
	w := kerneltest.NewWitness(t, kerneltest.WitnessOptions{Filter: strings.Join(conditions, " || ")})
	return func() (n int) {
		t.Helper()
		for _, e := range w.Events() {
			if ours(e.Sport) && ours(e.Dport) {
				n++
			}
		}
		for tid := range threads() {
			if !of1[tid] {
				n++ // what came in a thread that is new was not recorded
			}
		}
		return n
	}
}

// ours reports whether a port can be one of twoRooms, that of nobody, or unknown.
func ours(port uint16) bool { return port <= 1 || port >= firstPort && port <= lastPort }

func portRange() string { return fmt.Sprint(firstPort, " ", lastPort) }
