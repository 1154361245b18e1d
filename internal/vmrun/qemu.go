package vmrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelArgs make a kernel quick to boot, and an oops the end of it.
const kernelArgs = "rdinit=/init panic=-1 reboot=t,force oops=panic mitigations=off nokaslr " +
	"random.trust_cpu=on audit=0 loglevel=5 sysrq_always_enabled"

// The descriptors that QEMU inherits.
const (
	consoleFD = 3 + iota
	framesFD
	monitorFD
	initramfsFD
)

func haveKVM() bool {
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = kvm.Close() // only to see whether it opens
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && hasVirtualisation(string(cpuinfo))
}

// hasVirtualisation looks for the processor flags in /proc/cpuinfo.
func hasVirtualisation(cpuinfo string) bool {
	for line := range strings.Lines(cpuinfo) {
		name, flags, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) != "flags" {
			continue
		}
		for flag := range strings.FieldsSeq(flags) {
			if flag == "vmx" || flag == "svm" {
				return true
			}
		}
		return false // one processor tells for all
	}
	return false
}

// bootArgs returns the kernel's command line.
//
// From 6.18 on the kernel allocates socket storage without locks, which takes
// cmpxchg16b, unless the allocator checks itself: without either, no socket has
// storage and bpf_sk_storage_get returns nothing.
func bootArgs(s *series, kvm bool) string {
	args := s.arch.kernel + " " + kernelArgs
	if s.lockless && !kvm {
		args += " slab_debug=F,kmalloc-*"
	}
	return args
}

// machine is a running QEMU.
type machine struct {
	cmd     *exec.Cmd
	console *os.File
	frames  *os.File
	monitor *os.File
	stderr  strings.Builder
	exited  chan struct{}
	err     error // of the process, once exited is closed
}

// startMachine boots a kernel.
func startMachine(ctx context.Context, k Kernel, initramfs *os.File, c *Config) (*machine, error) {
	m := &machine{exited: make(chan struct{})}
	var ends []*os.File
	closeEnds := func() {
		for _, f := range ends {
			_ = f.Close() // QEMU has them now, or never will
		}
	}
	defer closeEnds()
	for _, p := range []**os.File{&m.console, &m.frames, &m.monitor} {
		ours, theirs, err := socketPair()
		if err != nil {
			m.close()
			return nil, err
		}
		*p = ours
		ends = append(ends, theirs)
	}
	a := k.series.arch
	kvm := a.native() && haveKVM()
	args := slices.Concat(a.accelArgs(kvm), a.board, []string{
		"-m", fmt.Sprintf("%dM", c.MemoryMB), "-smp", fmt.Sprint(c.CPUs),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", k.Image(), "-initrd", fmt.Sprintf("/dev/fd/%d", initramfsFD), "-append", bootArgs(k.series, kvm),
		"-chardev", fmt.Sprintf("socket,id=console,fd=%d", consoleFD), "-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=frames,fd=%d", framesFD),
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD), "-mon", "chardev=monitor,mode=control",
	}, a.frames)
	m.cmd = exec.CommandContext(ctx, a.qemu, args...)
	m.cmd.ExtraFiles = append(append([]*os.File{}, ends...), initramfs)
	m.cmd.Stderr = &m.stderr
	m.cmd.SysProcAttr = dieWithParent()
	m.cmd.SysProcAttr.Setpgid = true // an interrupt at the terminal is ours to handle
	if err := m.cmd.Start(); err != nil {
		m.close()
		return nil, fmt.Errorf("start %s: %w", a.qemu, err)
	}
	go func() {
		m.err = m.cmd.Wait()
		close(m.exited)
	}()
	return m, nil
}

// stop ends QEMU, and waits for it. It may be called again.
func (m *machine) stop() {
	_ = m.cmd.Process.Kill() // it may have ended
	<-m.exited
	m.close()
}

func (m *machine) close() {
	for _, f := range []*os.File{m.console, m.frames, m.monitor} {
		if f != nil {
			_ = f.Close() // a socket with nothing unsent
		}
	}
}

// socketPair returns two connected ends; reads of ours end when it is closed.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "guest"), os.NewFile(uintptr(fds[1]), "host"), nil
}
