package waits

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Settings are the sysctls of a network namespace that decide how sockets wait.
type Settings struct {
	PortLow, PortHigh uint16 // ip_local_port_range
	Reserved          int    // ip_local_reserved_ports within the range
	reserved          []portRange
	TWReuse           int   // tcp_tw_reuse: 0 no, 1 yes, 2 on loopback only
	TWReuseDelay      int64 // tcp_tw_reuse_delay in ns; a second before Linux 6.14
	Timestamps        int   // tcp_timestamps
	MaxTWBuckets      int   // tcp_max_tw_buckets
	FinTimeout        int64 // tcp_fin_timeout in ns
	SYNRetries        int   // tcp_syn_retries
	// AbortOnOverflow is tcp_abort_on_overflow: what a full accept queue does with an
	// ACK that completes a handshake, an RST instead of nothing.
	AbortOnOverflow bool
}

type portRange struct{ low, high uint16 }

// ReadSettings reads those of the calling thread's network namespace; root is
// /proc/sys/net/ipv4.
func ReadSettings(root fs.FS) (*Settings, error) {
	s := &Settings{TWReuseDelay: 1e9}
	r := reader{root: root}
	bounds := strings.Fields(r.text("ip_local_port_range"))
	if r.err == nil && len(bounds) != 2 {
		r.err = fmt.Errorf("parse ip_local_port_range: %d numbers", len(bounds))
	}
	if r.err != nil {
		return nil, r.err
	}
	s.PortLow, s.PortHigh = r.port(bounds[0]), r.port(bounds[1])
	s.reserved = r.ranges(r.text("ip_local_reserved_ports"))
	for _, p := range s.reserved {
		low, high := max(p.low, s.PortLow), min(p.high, s.PortHigh)
		if low <= high {
			s.Reserved += int(high) - int(low) + 1
		}
	}
	s.TWReuse, s.Timestamps = r.number("tcp_tw_reuse"), r.number("tcp_timestamps")
	s.MaxTWBuckets, s.SYNRetries = r.number("tcp_max_tw_buckets"), r.number("tcp_syn_retries")
	s.AbortOnOverflow = r.number("tcp_abort_on_overflow") != 0
	s.FinTimeout = int64(r.number("tcp_fin_timeout")) * 1e9
	if ms, err := fs.ReadFile(root, "tcp_tw_reuse_delay"); err == nil {
		s.TWReuseDelay = int64(r.parse("tcp_tw_reuse_delay", string(ms))) * 1e6
	} else if !errors.Is(err, os.ErrNotExist) {
		r.err = errors.Join(r.err, err)
	}
	return s, r.err
}

// Usable is how many ports connect() may choose from.
func (s *Settings) Usable() int { return int(s.PortHigh) - int(s.PortLow) + 1 - s.Reserved }

// ephemeral reports whether connect() may choose the port.
func (s *Settings) ephemeral(port uint16) bool {
	if port < s.PortLow || port > s.PortHigh {
		return false
	}
	for _, r := range s.reserved {
		if port >= r.low && port <= r.high {
			return false
		}
	}
	return true
}

// reader keeps the first error.
type reader struct {
	root fs.FS
	err  error
}

func (r *reader) text(name string) string {
	b, err := fs.ReadFile(r.root, name)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("read %s: %w", name, err)
	}
	return strings.TrimSpace(string(b))
}

func (r *reader) number(name string) int { return r.parse(name, r.text(name)) }

func (r *reader) parse(name, text string) int {
	if r.err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		r.err = fmt.Errorf("parse %s: %w", name, err)
	}
	return n
}

func (r *reader) port(text string) uint16 {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("parse port: %w", err)
	}
	return uint16(n)
}

// ranges reads "8080,9000-9002".
func (r *reader) ranges(text string) (all []portRange) {
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		low, high, ok := strings.Cut(part, "-")
		if !ok {
			high = low
		}
		all = append(all, portRange{r.port(low), r.port(high)})
	}
	return all
}
