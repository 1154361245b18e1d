package kerneltest

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// vethPeer is VETH_INFO_PEER (include/uapi/linux/veth.h).
const vethPeer = 1

// vethName is what both ends of a pair are called, each in its namespace.
const vethName = "veth0"

// Veth joins two network namespaces by a pair of interfaces called veth0, and
// gives a's end 10.99.0.1/24 and fd99::1/64, and b's end 10.99.0.2/24 and
// fd99::2/64. Each end knows where the other is: where packets are lost, asking
// would fail now and then. A namespace can be joined once.
func Veth(t testing.TB, a, b *Netns) {
	t.Helper()
	var err error
	a.Do(func() { err = addVeth(b) })
	if err != nil {
		t.Fatalf("add veth pair: %v", err)
	}
	a.Do(func() { err = configure(vethName, "10.99.0.1/24", "fd99::1/64") })
	if err != nil {
		t.Fatalf("configure first end: %v", err)
	}
	b.Do(func() { err = configure(vethName, "10.99.0.2/24", "fd99::2/64") })
	if err != nil {
		t.Fatalf("configure second end: %v", err)
	}
	for _, end := range []struct {
		of, other *Netns
		addresses []string
	}{{a, b, []string{"10.99.0.2", "fd99::2"}}, {b, a, []string{"10.99.0.1", "fd99::1"}}} {
		var at *net.Interface
		end.other.Do(func() { at, err = net.InterfaceByName(vethName) })
		if err == nil {
			end.of.Do(func() { err = introduce(at.HardwareAddr, end.addresses...) })
		}
		if err != nil {
			t.Fatalf("introduce the ends: %v", err)
		}
	}
}

// introduce tells the calling thread's namespace at which hardware address the
// addresses of the other end are.
func introduce(at net.HardwareAddr, addresses ...string) error {
	iface, err := net.InterfaceByName(vethName)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		body := neighbour(int32(iface.Index), netip.MustParseAddr(a), at)
		if err := route(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, body); err != nil {
			return fmt.Errorf("add neighbour %s: %w", a, err)
		}
	}
	return nil
}

// addVeth adds a pair of which one end is in the calling thread's namespace and
// the other in that of peer.
func addVeth(peer *Netns) error {
	name := attr(unix.IFLA_IFNAME, []byte(vethName+"\x00"))
	there := attr(unix.IFLA_NET_NS_FD, u32(uint32(peer.file.Fd())))
	info := attr(unix.IFLA_LINKINFO,
		attr(unix.IFLA_INFO_KIND, []byte("veth")),
		attr(unix.IFLA_INFO_DATA, attr(vethPeer, link(0, 0, 0), name, there)))
	return route(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, link(0, 0, 0), name, info)
}

// configure sets an interface of the calling thread's namespace up and gives it
// addresses.
func configure(name string, prefixes ...string) error {
	if err := setUp(name); err != nil {
		return err
	}
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		body := address(int32(iface.Index), netip.MustParsePrefix(p))
		if err := route(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body); err != nil {
			return fmt.Errorf("add %s: %w", p, err)
		}
	}
	return awaitLocal(prefixes)
}

// setUp sets an interface of the calling thread's namespace up.
func setUp(name string) error {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	if err := route(unix.RTM_NEWLINK, 0, link(int32(iface.Index), unix.IFF_UP, unix.IFF_UP)); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}
