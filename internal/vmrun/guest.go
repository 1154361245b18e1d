package vmrun

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// IsGuest reports whether this process is /init in a guest.
func IsGuest() bool {
	_, err := os.Stat(jobPath)
	return err == nil && os.Getpid() == 1 && os.Args[0] == initBinary
}

// Guest is /init: it makes the system ready, runs the program, sends back what
// comes of it and ends the machine. It does not return.
func Guest() {
	err := guest()
	if err != nil {
		fmt.Println("vmrun: /init:", err) // the console
	}
	// QEMU runs with -no-reboot: this ends it.
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	select {} // the first process must not end
}

func guest() error {
	if err := mountAll(); err != nil {
		return err
	}
	data, err := os.ReadFile(jobPath)
	if err != nil {
		return err
	}
	job, err := decodeJob(data)
	if err != nil {
		return err
	}
	tty, err := openRaw(job.TTY)
	if err != nil {
		return err
	}
	frames := &frameWriter{w: tty}
	if err := runJob(job, frames); err != nil {
		err = errors.Join(err, frames.send(frameFailed, []byte(err.Error())))
		return errors.Join(err, drain(tty))
	}
	return drain(tty)
}

func runJob(job *Job, frames *frameWriter) error {
	if err := prepare(job); err != nil {
		return err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	if err := frames.send(frameStarted, bytes.TrimSpace(release)); err != nil {
		return err
	}
	code, err := runProgram(job, frames)
	if err != nil {
		return err
	}
	if err := sendFiles(stream{frames, frameFiles}, outDir); err != nil {
		return err
	}
	return frames.send(frameExit, binary.BigEndian.AppendUint32(nil, uint32(code)))
}

// mounts are the file systems that tests expect, in order.
var mounts = []struct {
	kind, dir string
	optional  bool
}{
	{"proc", "/proc", false},
	{"sysfs", "/sys", false},
	{"devtmpfs", "/dev", false},
	{"devpts", "/dev/pts", false},
	{"tmpfs", "/dev/shm", false},
	{"tmpfs", "/tmp", false},
	{"tmpfs", "/run", false},
	{"cgroup2", "/sys/fs/cgroup", false},
	{"bpf", "/sys/fs/bpf", false},
	{"debugfs", "/sys/kernel/debug", true},
	{"tracefs", "/sys/kernel/tracing", false},
}

func mountAll() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.dir, 0o755); err != nil && !m.optional {
			return fmt.Errorf("mount %s: %w", m.kind, err)
		}
		err := unix.Mount(m.kind, m.dir, m.kind, 0, "")
		if err != nil && !m.optional && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.dir, err)
		}
	}
	if err := os.Chmod("/tmp", 0o1777|os.ModeSticky); err != nil {
		return err
	}
	for link, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2",
		"/etc/mtab": "/proc/mounts", "/var/run": "/run", "/var/tmp": "/tmp",
	} {
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, link); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// prepare makes the system what tests expect.
func prepare(job *Job) error {
	for _, name := range job.Modules {
		if err := loadModule(filepath.Join(moduleDir, name+".ko")); err != nil {
			return err
		}
	}
	for _, dir := range append([]string{""}, job.OutDirs...) {
		if err := os.MkdirAll(filepath.Join(outDir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("guest")); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	files := unix.Rlimit{Cur: 65536, Max: 1 << 20}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("raise limit of open files: %w", err)
	}
	return loopbackUp()
}

func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load module %s: %w", filepath.Base(file), err)
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("bring up loopback: %w", err)
	}
	return nil
}

// openRaw opens a serial line for binary data: no translation, no echo.
func openRaw(name string) (*os.File, error) {
	// The driver of the serial lines may still be looking for them.
	var tty *os.File
	var err error
	for range 50 {
		if tty, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	t := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200, Ispeed: unix.B115200, Ospeed: unix.B115200}
	t.Cc[unix.VMIN] = 1
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, &t); err != nil {
		return nil, errors.Join(fmt.Errorf("set up %s: %w", name, err), tty.Close())
	}
	return tty, nil
}

// drain waits until a serial line has sent everything. The kernel does not start
// this wait again after a signal, and the runtime sends itself signals.
func drain(tty *os.File) error {
	for {
		err := unix.IoctlSetInt(int(tty.Fd()), unix.TCSBRK, 1)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("drain serial line: %w", err)
		}
	}
}
