// Package nat reads which connections have other addresses at their two ends: what
// connection tracking (nf_conntrack) has translated.
package nat

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"
)

// Most is how many connections a namespace may track for Read to read them: the kernel
// hands over all of them, and each takes some hundred bytes here.
const Most = 100_000

// ErrTooMany is returned where there are more than Most.
var ErrTooMany = errors.New("too many connections are tracked")

// End is where one end of a connection is, and to which it is connected, as its socket
// has it.
type End struct{ Local, Remote netip.AddrPort }

// Translation is a connection whose ends do not have each other's addresses.
type Translation struct{ Opener, Other End }

// countFile says how many connections the namespace tracks.
const countFile = "/proc/sys/net/netfilter/nf_conntrack_count"

// Read returns the translations of TCP connections in the calling thread's network
// namespace. It needs CAP_NET_ADMIN there; a kernel without connection tracking has
// none, which is no error.
func Read() ([]Translation, error) {
	n, err := tracked()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case n > Most:
		return nil, fmt.Errorf("read tracked connections: %d: %w", n, ErrTooMany)
	case n == 0:
		return nil, nil
	}
	c, err := conntrack.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("read tracked connections: %w", err)
	}
	flows, err := c.Dump(nil)
	if err = errors.Join(err, c.Close()); err != nil {
		return nil, fmt.Errorf("read tracked connections: %w", err)
	}
	return translations(flows), nil
}

func tracked() (int, error) {
	text, err := os.ReadFile(countFile)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", countFile, err)
	}
	return n, nil
}

// translations keeps those whose answers come from elsewhere than where the questions
// went, or go elsewhere than where these came from.
func translations(flows []conntrack.Flow) (all []Translation) {
	for i := range flows {
		asked, answered := &flows[i].TupleOrig, &flows[i].TupleReply
		if asked.Proto.Protocol != unix.IPPROTO_TCP {
			continue
		}
		opener := End{source(asked), destination(asked)}
		other := End{source(answered), destination(answered)}
		if opener.Local != other.Remote || opener.Remote != other.Local {
			all = append(all, Translation{opener, other})
		}
	}
	return all
}

func source(t *conntrack.Tuple) netip.AddrPort {
	return netip.AddrPortFrom(t.IP.SourceAddress, t.Proto.SourcePort)
}

func destination(t *conntrack.Tuple) netip.AddrPort {
	return netip.AddrPortFrom(t.IP.DestinationAddress, t.Proto.DestinationPort)
}
