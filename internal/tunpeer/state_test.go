package tunpeer

import (
	"net/netip"
	"testing"
)

// rows are lines of /proc/net/tcp and tcp6, shortened, of a little-endian
// machine.
const rows = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000
   1: 0100007F:1538 0100007F:AB54 06 00000000:00000000 00:00000000 00000000
   2: 000098FD000000000000000001000000:1538 000098FD000000000000000002000000:0001 03 00000000:00000000
   3: 0100007F:1538 0100007F:AB55 XY 00000000:00000000 00:00000000 00000000
`

func TestFindState(t *testing.T) {
	for _, c := range []struct{ at, peer, want string }{
		{"127.0.0.1:5432", "127.0.0.1:43860", "TIME_WAIT"},
		{"127.0.0.1:5432", "0.0.0.0:0", "LISTEN"},
		{"127.0.0.1:5432", "127.0.0.2:43860", "CLOSE"},
		{"127.0.0.1:43860", "127.0.0.1:5432", "CLOSE"},
		{"[fd98::1]:5432", "[fd98::2]:1", "SYN_RECV"},
	} {
		got, err := findState(rows, netip.MustParseAddrPort(c.at), netip.MustParseAddrPort(c.peer))
		if err != nil || got != c.want {
			t.Errorf("%s to %s: %s and %v, want %s", c.at, c.peer, got, err, c.want)
		}
	}
	at := netip.MustParseAddrPort("127.0.0.1:5432")
	if got, err := findState(rows, at, netip.MustParseAddrPort("127.0.0.1:43861")); err == nil {
		t.Errorf("a state that is no number: %s, no error", got)
	}
}
