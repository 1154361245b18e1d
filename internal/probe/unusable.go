package probe

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// UnusableError says why tcpwatch cannot watch here, and what would change it.
type UnusableError struct {
	Reason string
	Fix    string // the next step, with the exact command where there is one
}

func (e *UnusableError) Error() string { return e.Reason + "\n" + e.Fix }

// BTFPath is where the kernel shows its type information.
const BTFPath = "/sys/kernel/btf/vmlinux"

// checkUsable returns an *UnusableError if privileges or kernel do not suffice.
func checkUsable() error {
	caps, err := Effective()
	if err != nil {
		return err
	}
	if missing := Missing(caps); len(missing) > 0 {
		return &UnusableError{
			Reason: "cannot watch: missing " + joinCaps(missing, " and "),
			Fix:    GrantCommand(),
		}
	}
	if _, err := os.Stat(BTFPath); err != nil {
		return &UnusableError{
			Reason: fmt.Sprintf("cannot watch: this kernel shows no BTF (%v)", err),
			Fix:    "boot a kernel from 5.8 on built with CONFIG_DEBUG_INFO_BTF=y; in a container, mount /sys read-only",
		}
	}
	return nil
}

// Missing returns the capabilities that watching needs and caps lacks.
func Missing(caps Capabilities) []Capability {
	var missing []Capability
	for _, c := range []Capability{CapBPF, CapPerfmon} {
		if !caps.Has(c) {
			missing = append(missing, c)
		}
	}
	return missing
}

func joinCaps(caps []Capability, sep string) string {
	names := make([]string, len(caps))
	for i, c := range caps {
		names[i] = c.String()
	}
	return strings.Join(names, sep)
}

// GrantCommand returns the commands that give this binary what it needs.
func GrantCommand() string {
	exe, err := os.Executable()
	if err != nil {
		exe = "tcpwatch"
	}
	return fmt.Sprintf("run it with sudo, or grant it once: sudo setcap cap_bpf,cap_perfmon+ep %s", shellQuote(exe))
}

func shellQuote(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+", r)
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// loadError makes the kernel's refusal to load a program understandable.
func loadError(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return &UnusableError{
			Reason: fmt.Sprintf("cannot watch: the kernel refuses to load BPF programs (%v)", err),
			Fix:    "check kernel lockdown (/sys/kernel/security/lockdown), seccomp and the container's profile; tcpwatch doctor tells more",
		}
	}
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		return &UnusableError{
			Reason: fmt.Sprintf("cannot watch: the kernel's verifier refuses a program (%v)", err),
			Fix:    "please report this, with the output of tcpwatch doctor -v",
		}
	}
	return fmt.Errorf("load programs: %w", err)
}
