package kerneltest

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Netem makes an interface of the namespace lose a share of what it sends, 0 to
// 1, by the queueing discipline of that name. Hosts may lack it; guests load
// sch_netem.
func (n *Netns) Netem(t testing.TB, iface string, loss float64) {
	t.Helper()
	var err error
	n.Do(func() { err = addNetem(iface, loss) })
	if err != nil {
		t.Fatalf("add netem to %s: %v", iface, err)
	}
}

func addNetem(name string, loss float64) error {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	const addQdisc = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	if err := route(unix.RTM_NEWQDISC, addQdisc, rootQdisc(int32(iface.Index)),
		attr(unix.TCA_KIND, []byte("netem\x00")), attr(unix.TCA_OPTIONS, netemOptions(loss))); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	return nil
}

// rootQdisc is struct tcmsg: the root of an interface.
func rootQdisc(index int32) []byte {
	const tcHRoot = 0xffffffff
	b := make([]byte, 20)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[12:], tcHRoot)
	return b
}

// netemOptions is struct tc_netem_qopt: latency, limit, loss, gap, duplicate,
// jitter; shares are of 2^32-1.
func netemOptions(loss float64) []byte {
	b := make([]byte, 24)
	binary.NativeEndian.PutUint32(b[4:], 10000) // packets in the queue
	binary.NativeEndian.PutUint32(b[8:], uint32(loss*math.MaxUint32))
	return b
}
