package kerneltest

import (
	"net/netip"
	"testing"
)

func TestHasLocal(t *testing.T) {
	const table = `fd980000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     tun0
fd980000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80200001     tun0
fd980000000000000000000000000002 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 00000005     tun0
garbage
`
	for a, want := range map[string]bool{"fd98::1": true, "fd98::2": false, "fd98::": false, "fd98::3": false} {
		if hasLocal(table, netip.MustParseAddr(a)) != want {
			t.Errorf("%s: want local %t", a, want)
		}
	}
}

// TestUpIsUsable: as soon as Up returns, the kernel takes its addresses as its
// own.
func TestUpIsUsable(t *testing.T) {
	n := NewNetns(t)
	n.Up("lo", "10.98.0.1/24", "fd98::1/64")
	n.Do(func() {
		if !isLocal(netip.MustParseAddr("fd98::1")) {
			t.Error("no local route")
		}
	})
}
