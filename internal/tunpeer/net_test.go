package tunpeer

import (
	"net/netip"
	"testing"
)

func TestSubnetsForge(t *testing.T) {
	for _, s := range []subnet{
		randomIPv4(), randomIPv6(),
		{netip.MustParsePrefix("10.255.240.1/20"), 1}, {netip.MustParsePrefix("10.0.15.254/20"), hosts},
	} {
		seen := map[netip.Addr]bool{s.kernel(): true}
		for n := range hosts - 1 {
			a := s.forged(n)
			if !s.prefix.Contains(a) {
				t.Fatalf("%v is outside %v", a, s.prefix.Masked())
			}
			seen[a] = true
		}
		if len(seen) != hosts {
			t.Errorf("%v: %d addresses, want %d", s.prefix, len(seen), hosts)
		}
		if s.forged(hosts-1) != s.forged(0) {
			t.Errorf("%v: no wrap", s.prefix)
		}
	}
}
