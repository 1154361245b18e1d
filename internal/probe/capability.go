package probe

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Capability is a Linux capability number (linux/capability.h).
type Capability uint

// The capabilities that tcpwatch asks for.
const (
	CapSysAdmin Capability = 21
	CapPerfmon  Capability = 38
	CapBPF      Capability = 39
)

// String returns the name as capabilities(7) writes it.
func (c Capability) String() string {
	switch c {
	case CapSysAdmin:
		return "CAP_SYS_ADMIN"
	case CapPerfmon:
		return "CAP_PERFMON"
	case CapBPF:
		return "CAP_BPF"
	}
	return fmt.Sprintf("CAP_%d", uint(c))
}

// Capabilities is a set of capabilities, one bit each.
type Capabilities uint64

// Has reports whether c is in the set. CAP_SYS_ADMIN stands for CAP_BPF and
// CAP_PERFMON too, as it does in the kernel (bpf_capable, perfmon_capable).
func (s Capabilities) Has(c Capability) bool {
	bits := uint64(1) << c
	if c == CapBPF || c == CapPerfmon {
		bits |= 1 << CapSysAdmin
	}
	return uint64(s)&bits != 0
}

// Effective returns the effective capabilities of this process.
func Effective() (Capabilities, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		hex, ok := strings.CutPrefix(lines.Text(), "CapEff:")
		if !ok {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		if err != nil {
			return 0, fmt.Errorf("read capabilities: %w", err)
		}
		return Capabilities(set), nil
	}
	return 0, fmt.Errorf("read capabilities: no CapEff in /proc/self/status")
}
