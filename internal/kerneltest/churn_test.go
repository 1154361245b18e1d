package kerneltest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

func TestChurnCountsMatchTheWitness(t *testing.T) {
	RequireRoot(t)
	LeakCheck(t)
	ns := NewNetns(t) // no other traffic's TIME_WAIT, no limits of others
	// And no other's ports, by which the record is told apart from the rest of
	// the machine: the default range begins above.
	ns.Sysctl("net/ipv4/ip_local_port_range", "2000 32000")
	for _, o := range []ChurnOptions{
		{Connections: Load(20000)},
		{Connections: Load(20000), Reset: true},
		{Connections: Load(20000), IPv6: true, Clients: 3},
		{Connections: 1, Clients: 4, Addr: IPv4.Loopback()},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			w := NewWitness(t, WitnessOptions{})
			var made Churned
			ns.Do(func() { made = Churn(t, o) })
			want := made.Transitions()
			ours := func(events []Event) map[[2]string]int {
				return countsOf(events, made.Ports)
			}
			w.Await(patience, func(e []Event) bool { return total(ours(e)) >= made.Total() }, "every transition")
			if got := ours(w.Events()); !maps.Equal(got, want) {
				t.Errorf("the witness counts %v, want %v", got, want)
			}
			if got := Paths(livesOn(w.Events(), made.Ports)); !maps.Equal(got, pathsOf(made)) {
				t.Errorf("the witness sees lives %v, want %v", got, pathsOf(made))
			}
			t.Logf("%.0f connections/s, %.0f transitions/s", made.Rate(), float64(made.Total())/made.Elapsed.Seconds())
		})
	}
}

// pathsOf is what the two ends of each churned connection go through, and the
// listeners.
func pathsOf(made Churned) map[string]int {
	n := made.Connections
	paths := map[string]int{"CLOSE>LISTEN>CLOSE": len(made.Ports)}
	if made.Reset {
		paths["CLOSE>SYN_SENT>ESTABLISHED>CLOSE"] = n
		paths["LISTEN>SYN_RECV>ESTABLISHED>CLOSE"] = n
		return paths
	}
	paths["CLOSE>SYN_SENT>ESTABLISHED>FIN_WAIT1>FIN_WAIT2>CLOSE"] = n
	paths["LISTEN>SYN_RECV>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSE"] = n
	return paths
}

// livesOn returns the lives of the sockets with these ports at either end.
func livesOn(events []Event, ports []uint16) []Life {
	return slices.DeleteFunc(Lives(events), func(l Life) bool {
		return !slices.Contains(ports, l.Sport) && !slices.Contains(ports, l.Dport)
	})
}

// countsOf counts transitions from or to ports: others may use the machine.
func countsOf(events []Event, ports []uint16) map[[2]string]int {
	ours := make(map[uint16]bool)
	for _, p := range ports {
		ours[p] = true
	}
	counts := make(map[[2]string]int)
	for _, e := range events {
		if e.Name == SetState && (ours[e.Sport] || ours[e.Dport]) {
			counts[[2]string{e.Old, e.New}]++
		}
	}
	return counts
}

func total(counts map[[2]string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
