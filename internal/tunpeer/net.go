package tunpeer

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// subnet is the network at a device, of one family: the kernel has one address in
// it, every other one is the peer's to forge. Both are chosen at random, since
// the kernel's tracepoints are the whole machine's: connections of other peers,
// in other namespaces, would look the same.
type subnet struct {
	prefix netip.Prefix // with the kernel's address
	host   int          // the kernel's number in the network, from 1
}

// hosts is how many addresses of a network are in use: IPv4's with 12 bits, but
// for the network's own and for broadcast.
const hosts = 1<<12 - 2

// randomIPv4 chooses one of 4,096 networks of 10.0.0.0/8.
func randomIPv4() subnet {
	n, host := rand.N(1<<12), 1+rand.N(hosts)
	a := netip.AddrFrom4([4]byte{10, byte(n >> 4), byte(n << 4)})
	return subnet{netip.PrefixFrom(withHost(a, host), 20), host}
}

// randomIPv6 chooses one of 2^32 networks of fd98::/16.
func randomIPv6() subnet {
	n, host := rand.Uint32(), 1+rand.N(hosts)
	a := netip.AddrFrom16([16]byte{0xfd, 0x98, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	return subnet{netip.PrefixFrom(withHost(a, host), 64), host}
}

// withHost returns the address in which the last 12 bits are a host's number.
func withHost(a netip.Addr, host int) netip.Addr {
	b := a.AsSlice()
	last := b[len(b)-2:]
	last[0], last[1] = last[0]&0xf0|byte(host>>8), byte(host)
	a, _ = netip.AddrFromSlice(b) // as long as it was
	return a
}

// kernel returns the kernel's address.
func (s subnet) kernel() netip.Addr { return s.prefix.Addr() }

// forged returns the n-th of the peer's addresses: those after the kernel's, and
// round again.
func (s subnet) forged(n int) netip.Addr {
	return withHost(s.prefix.Addr(), 1+(s.host+n%(hosts-1))%hosts)
}

// Ports of connections, below those that tests let the kernel choose from for
// their load: a Witness would record that too.
const (
	firstPort = 1024
	manyPorts = 976
)

// witnessFilter is for all of them, in the kernel's filter language.
func witnessFilter() string {
	const last = firstPort + manyPorts - 1
	return fmt.Sprintf("(sport >= %d && sport <= %d) || (dport >= %d && dport <= %d)", firstPort, last, firstPort, last)
}

// subnet returns the network of a family.
func (p *Peer) subnet(f kerneltest.Family) subnet {
	if f == kerneltest.IPv6 {
		return p.ipv6
	}
	return p.ipv4
}

// KernelAddr returns the kernel's address at the device.
func (p *Peer) KernelAddr(f kerneltest.Family) netip.Addr { return p.subnet(f).kernel() }

// ForgedAddr returns the n-th address that the peer may forge, of 4,093.
func (p *Peer) ForgedAddr(f kerneltest.Family, n int) netip.Addr { return p.subnet(f).forged(n) }
