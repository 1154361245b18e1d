package kerneltest

import "strings"

// Life is what a record says of one socket, from when it was first seen moving
// until it reached CLOSE.
type Life struct {
	SkAddr       uint64
	Sport, Dport uint16 // as last seen: the first event of a client has no Sport yet
	Events       []Event
}

// Path returns the states that the socket went through, the first one being
// where it came from: CLOSE>SYN_SENT>ESTABLISHED>…
func (l Life) Path() string {
	var b strings.Builder
	for i, e := range l.Events {
		if i == 0 {
			b.WriteString(e.Old)
		}
		b.WriteString(">")
		b.WriteString(e.New)
	}
	return b.String()
}

// Lives sorts transitions by socket. The kernel uses a socket's address again
// for another, so a life ends with CLOSE.
func Lives(events []Event) []Life {
	var lives []Life
	open := make(map[uint64]int) // index into lives by SkAddr
	for _, e := range events {
		if e.Name != SetState {
			continue
		}
		i, ok := open[e.SkAddr]
		if !ok {
			i = len(lives)
			open[e.SkAddr] = i
			lives = append(lives, Life{SkAddr: e.SkAddr})
		}
		l := &lives[i]
		l.Events = append(l.Events, e)
		l.Sport, l.Dport = e.Sport, e.Dport
		if e.New == "CLOSE" {
			delete(open, e.SkAddr)
		}
	}
	return lives
}

// Paths counts the lives by their path.
func Paths(lives []Life) map[string]int {
	counts := make(map[string]int)
	for _, l := range lives {
		counts[l.Path()]++
	}
	return counts
}
