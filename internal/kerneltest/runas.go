package kerneltest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Nobody is the user and group id of nobody.
const Nobody = 65534

// runAsLimit bounds the life of a program under RunAs.
const runAsLimit = time.Minute

// capabilities are the ones that a program which traces might be given.
var capabilities = map[string]uintptr{
	"CAP_BPF":             unix.CAP_BPF,
	"CAP_DAC_OVERRIDE":    unix.CAP_DAC_OVERRIDE,
	"CAP_DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH,
	"CAP_KILL":            unix.CAP_KILL,
	"CAP_NET_ADMIN":       unix.CAP_NET_ADMIN,
	"CAP_NET_RAW":         unix.CAP_NET_RAW,
	"CAP_PERFMON":         unix.CAP_PERFMON,
	"CAP_SETGID":          unix.CAP_SETGID,
	"CAP_SETPCAP":         unix.CAP_SETPCAP,
	"CAP_SETUID":          unix.CAP_SETUID,
	"CAP_SYSLOG":          unix.CAP_SYSLOG,
	"CAP_SYS_ADMIN":       unix.CAP_SYS_ADMIN,
	"CAP_SYS_PTRACE":      unix.CAP_SYS_PTRACE,
	"CAP_SYS_RESOURCE":    unix.CAP_SYS_RESOURCE,
}

// RunAs runs a program as the user and group uid, without supplementary groups
// and with exactly the named capabilities (CAP_BPF; the test fails on a name it
// does not know), and waits for it, for at most a minute. It returns what the
// program printed and its exit code, -1 if a signal ended it.
func RunAs(t testing.TB, uid int, caps []string, binary string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	RequireRoot(t)
	ctx, cancel := context.WithTimeout(context.Background(), runAsLimit)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = "/" // the test's own directory may be closed to uid
	cmd.Env = append(os.Environ(), "HOME=/")
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)},
		AmbientCaps: capNumbers(t, caps),
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s as uid %d with %s: %v", binary, uid, strings.Join(caps, ","), err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func capNumbers(t testing.TB, names []string) []uintptr {
	t.Helper()
	numbers := make([]uintptr, 0, len(names))
	for _, name := range names {
		n, ok := capabilities[name]
		if !ok {
			t.Fatalf("no capability %q known here", name)
		}
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, n, 0, 0, 0); err != nil || has != 1 {
			skip(t, "needs "+name+": this container's bounding set is without it")
		}
		numbers = append(numbers, n)
	}
	return numbers
}
