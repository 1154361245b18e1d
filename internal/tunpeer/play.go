package tunpeer

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// NewWitness starts a record of the transitions of every peer's connections. One
// is enough for many Plays, also at the same time.
func NewWitness(t testing.TB) *kerneltest.Witness {
	t.Helper()
	return kerneltest.NewWitness(t, kerneltest.WitnessOptions{Filter: witnessFilter()})
}

// Play runs a script on the connection and, if it declares paths, compares them
// with what the Witness, which NewWitness made before, saw of the connection. It
// fails the test, with the segments. A connection is played once.
func (c *Conn) Play(t testing.TB, w *kerneltest.Witness, s *Script) {
	t.Helper()
	if err := c.Run(s); err != nil {
		t.Fatal(err)
	}
	if !s.Declares {
		return
	}
	compare := func() error {
		events, err := w.Record()
		return cmp.Or(err, c.comparePaths(events, s.Paths))
	}
	if err := awaitNoError(c.endpoint.patience, compare); err != nil {
		t.Fatalf("%s: %v\n%s", s.Name, err, c.Trace())
	}
}

// comparePaths compares the lives of the connection's sockets with the paths.
func (c *Conn) comparePaths(events []kerneltest.Event, want []string) error {
	got := []string{}
	for _, life := range kerneltest.Lives(slices.DeleteFunc(events, c.unrelated)) {
		got = append(got, life.Path())
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("the kernel's sockets went %v, want %v", got, want)
	}
	return nil
}

// unrelated reports whether an event is of another socket than the connection's
// and its listener. Those begin with only one end known.
func (c *Conn) unrelated(e kerneltest.Event) bool {
	kernel := e.Saddr == c.Kernel.Addr() && e.Sport == c.Kernel.Port()
	peer := e.Daddr == c.Peer.Addr() && e.Dport == c.Peer.Port()
	return !kernel && !peer
}
