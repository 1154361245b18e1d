package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// What a kernel refuses is said with the next step.
func TestLoadErrorsNameTheNextStep(t *testing.T) {
	refused := func(errno unix.Errno) error { return fmt.Errorf("program state: load program: %w", errno) }
	tests := map[string]struct {
		err  error
		o    Options
		says []string
	}{
		"seccomp or an LSM":          {refused(unix.EPERM), Options{}, []string{"refuses to load BPF programs", "seccomp", lockdownPath}},
		"not this kernel's BTF":      {refused(unix.EINVAL), Options{BTF: "/tmp/btf"}, []string{"/tmp/btf is not of the running kernel", "CONFIG_DEBUG_INFO_BTF=y"}},
		"types without iterators":    {fmt.Errorf("attach: %w", ebpf.ErrNotSupported), Options{BTF: "/tmp/btf"}, []string{"/tmp/btf is not of the running kernel"}},
		"types without a tracepoint": {&fs.PathError{Op: "open", Path: "/sys/kernel/btf/veth", Err: unix.ENOENT}, Options{BTF: "/tmp/btf"}, []string{"/tmp/btf is not of the running kernel"}},
		"anything else":              {refused(unix.EINVAL), Options{}, []string{"load programs: program state"}},
		"lockdown":                   {fmt.Errorf("%w: unknown func bpf_probe_read_kernel#113", unix.EINVAL), Options{lockdown: true, BTF: "/tmp/btf"}, []string{"lockdown (confidentiality)", "lockdown=integrity"}},
		"no fault of lockdown":       {refused(unix.E2BIG), Options{lockdown: true}, []string{"load programs: program state"}},
		"a limit before Linux 5.11":  {memlockError(unix.EPERM), Options{}, []string{"RLIMIT_MEMLOCK", "cap_sys_resource+ep", "ulimit -l unlimited"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.err
			if _, done := errors.AsType[*UnusableError](err); !done {
				err = loadError(err, &test.o)
			}
			for _, want := range test.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestLockedDown(t *testing.T) {
	for text, want := range map[string]bool{
		"none integrity [confidentiality]\n": true,
		"none [integrity] confidentiality\n": false,
		"[none] integrity confidentiality\n": false,
		"":                                   false,
	} {
		if got := forbidsReading(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
