package kerneltest

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// ipv6Routes is the calling thread's table. /proc/net would be that of the
// process's first thread.
const ipv6Routes = "/proc/thread-self/net/ipv6_route"

// localPatience is how long the kernel may take to use an address.
const localPatience = 10 * time.Second

// awaitLocal waits until the kernel takes packets to its new IPv6 addresses as
// its own. Even without duplicate address detection a work queue adds the route
// for that (addrconf_dad_work), after the address was acknowledged; until then
// such packets are dropped.
func awaitLocal(prefixes []string) error {
	for _, p := range prefixes {
		a := netip.MustParsePrefix(p).Addr()
		if a.Is6() && !await(localPatience, func() bool { return isLocal(a) }) {
			return fmt.Errorf("await local route of %v: none after %v", a, localPatience)
		}
	}
	return nil
}

// isLocal reports whether the kernel has a local route to an IPv6 address.
func isLocal(a netip.Addr) bool {
	table, err := os.ReadFile(ipv6Routes)
	return err == nil && hasLocal(string(table), a)
}

// hasLocal looks for the address, 128 bits of it, with RTF_LOCAL. The columns
// are those of rt6_info_route: destination, its length, source, its length, next
// hop, metric, two counts, flags, interface.
func hasLocal(table string, a netip.Addr) bool {
	const rtfLocal = 1 << 31
	want := hex.EncodeToString(a.AsSlice())
	for line := range strings.Lines(table) {
		row := strings.Fields(line)
		if len(row) < 9 || row[0] != want || row[1] != "80" {
			continue
		}
		if flags, err := strconv.ParseUint(row[8], 16, 32); err == nil && flags&rtfLocal != 0 {
			return true
		}
	}
	return false
}
