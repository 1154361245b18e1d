package probe

import (
	"errors"
	"fmt"
	"io/fs"
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

// showBTF is what to do about a kernel that does not show its types.
const showBTF = "boot a kernel from 5.8 on built with CONFIG_DEBUG_INFO_BTF=y; in a container, mount /sys read-only; " +
	"if the kernel has BTF and only hides it, name a copy with --btf FILE"

// checkUsable returns an *UnusableError if privileges or kernel do not suffice.
func checkUsable(types string) error {
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
	if types != "" {
		if uint64(caps)&(1<<CapSysAdmin) == 0 {
			return &UnusableError{
				Reason: "cannot watch: --btf needs CAP_SYS_ADMIN, to show the programs' loader the file in a mount namespace of its own",
				Fix:    "run it with sudo",
			}
		}
		return nil
	}
	if _, err := os.Stat(BTFPath); err != nil {
		return &UnusableError{Reason: fmt.Sprintf("cannot watch: this kernel shows no BTF (%v)", err), Fix: showBTF}
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
func GrantCommand() string { return grant("cap_bpf,cap_perfmon") }

func grant(caps string) string {
	exe, err := os.Executable()
	if err != nil {
		exe = "tcpwatch"
	}
	return fmt.Sprintf("run it with sudo, or grant it once: sudo setcap %s+ep %s", caps, shellQuote(exe))
}

func shellQuote(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+", r)
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// memlockError tells what to do where the kernel counts BPF memory as locked
// memory of the user, which it did before 5.11.
func memlockError(err error) error {
	return &UnusableError{
		Reason: fmt.Sprintf("cannot watch: this kernel limits BPF by RLIMIT_MEMLOCK, and raising it needs CAP_SYS_RESOURCE (%v)", err),
		Fix:    grant("cap_bpf,cap_perfmon,cap_sys_resource") + ", or raise the limit: ulimit -l unlimited",
	}
}

// lockdownPath shows how far the kernel is locked down, the level in brackets.
const lockdownPath = "/sys/kernel/security/lockdown"

// lockedDown reports whether programs must not read the kernel's memory. Where
// that cannot be read it is taken to be allowed.
func lockedDown() bool {
	text, err := os.ReadFile(lockdownPath)
	return err == nil && forbidsReading(string(text))
}

// forbidsReading interprets what lockdownPath shows.
func forbidsReading(text string) bool { return strings.Contains(text, "[confidentiality]") }

// byLockdown reports whether err is what lockdown makes of a program: one that
// may not be loaded, or uses a helper that is not there.
func byLockdown(err error, lockdown bool) bool {
	return lockdown && (errors.Is(err, unix.EPERM) || strings.Contains(err.Error(), "probe_read"))
}

// refusal says why the kernel refuses a program, in one line.
func refusal(err error, lockdown bool) string {
	if byLockdown(err, lockdown) {
		return fmt.Sprintf("kernel lockdown (confidentiality) forbids BPF programs to read the kernel's memory (%v)", err)
	}
	return fmt.Sprintf("the kernel refuses the program (%v)", err)
}

// loadError makes the kernel's refusal to load a program understandable.
func loadError(err error, o *Options) error {
	if byLockdown(err, o.lockdown) {
		return &UnusableError{
			Reason: "cannot watch: " + refusal(err, true),
			Fix:    "boot with lockdown=integrity, or without lockdown",
		}
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return &UnusableError{
			Reason: fmt.Sprintf("cannot watch: the kernel refuses to load BPF programs (%v)", err),
			Fix:    "check kernel lockdown (" + lockdownPath + "), seccomp and the container's profile; tcpwatch doctor tells more",
		}
	}
	// What the types lack the library looks for in those of the modules, which may be hidden too.
	if o.BTF != "" && (errors.Is(err, unix.EINVAL) || errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, fs.ErrNotExist)) {
		return &UnusableError{
			Reason: fmt.Sprintf("cannot watch: %s is not of the running kernel, or the kernel was built without BTF and refuses typed tracepoints whatever --btf names (%v)", o.BTF, err),
			Fix:    "take the BTF of exactly this build (uname -rv names it), or boot a kernel from 5.8 on built with CONFIG_DEBUG_INFO_BTF=y",
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
