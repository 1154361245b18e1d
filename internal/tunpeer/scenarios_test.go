package tunpeer

import (
	"fmt"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// TestScenarios plays every scenario over both families, each in a namespace of
// its own, and many at a time: most of them wait for the kernel's timers.
func TestScenarios(t *testing.T) {
	kerneltest.RequireTun(t)
	kerneltest.LeakCheck(t)
	all, err := Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	w := NewWitness(t)
	for _, s := range all {
		for _, f := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
			t.Run(fmt.Sprintf("%s/IPv%d", s.Name, f), func(t *testing.T) {
				t.Parallel()
				New(t, kerneltest.NewNetns(t)).Conn(f).Play(t, w, s)
			})
		}
	}
}
