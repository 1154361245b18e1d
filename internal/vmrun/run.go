package vmrun

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Config says what to run.
type Config struct {
	Cache    string
	Kernel   string // series
	Binary   string
	Args     []string
	Dir      string   // whose testdata to pack; empty is the working directory
	Modules  []string // to load before, with what they depend on; ?NAME only where there is one
	Env      []string // NAME=VALUE
	Add      []string // files and directories, HOST or HOST:GUEST, or names of programs
	Timeout  time.Duration
	CPUs     int
	MemoryMB int
	Stdout   io.Writer
	Stderr   io.Writer
	Verbose  bool   // show the kernel's messages
	Init     string // the static vmrun to be /init; empty is this program, or one built for the kernel's processor
	OutDir   string // for what the program writes into $VMRUN_OUT; empty: it has no such variable
}

// Result is what came of it.
type Result struct {
	Code  int           // the program's exit code
	Boot  time.Duration // until the program started; 0 if it never did
	Total time.Duration
	// Release is the kernel's, as of uname -r; empty if the program never started.
	Release string
	Files   []string // what is new in Config.OutDir, relative to it
}

const (
	// bootLimit bounds the time until the program starts, on a busy host.
	bootLimit = 2 * time.Minute
	// endLimit bounds what remains when the program should be dead.
	endLimit  = 30 * time.Second
	tailLines = 60
)

// Run boots the kernel, runs the program in it and returns when the guest has
// ended. The error is about the guest or the runner, never about the program.
func Run(ctx context.Context, c Config) (result Result, err error) {
	begin := time.Now()
	k, err := c.fill()
	if err != nil {
		return Result{}, err
	}
	if c.Init == "" {
		dir, makeErr := os.MkdirTemp("", "vmrun-")
		if makeErr != nil {
			return Result{}, makeErr
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		if c.Init, err = buildInit(ctx, dir, k.series.arch); err != nil {
			return Result{}, err
		}
	}
	job, out, err := c.job(k)
	if err != nil {
		return Result{}, err
	}
	initramfs, err := c.initramfs(k, job, c.Init)
	if err != nil {
		return Result{}, err
	}
	defer initramfs.Close()
	m, err := startMachine(ctx, k, initramfs, &c)
	if err != nil {
		return Result{}, err
	}
	defer m.stop()
	con := &console{}
	if c.Verbose {
		con.echo = c.Stderr
	}
	var console sync.WaitGroup
	console.Go(func() { _, _ = io.Copy(con, m.console) }) // ends with the machine
	g := newGuestOutput(&c)
	defer g.close()
	go g.read(m.frames)
	if err = g.follow(ctx, m, job.Timeout); err != nil {
		err = explain(ctx, err, k, m, con)
	}
	m.stop()
	<-g.done // nothing is written from here on but by this goroutine
	console.Wait()
	if lines := con.trouble(); err == nil && lines != nil {
		fmt.Fprintf(c.Stderr, "vmrun: kernel %s complained:\n%s\n", k.Series, indent(lines))
	}
	r := Result{Code: g.code, Release: g.release}
	if !g.boot.IsZero() {
		r.Boot = g.boot.Sub(begin)
	}
	if err == nil {
		r.Files, err = g.save(out)
	}
	r.Total = time.Since(begin)
	return r, err
}

// fill sets defaults and checks that everything needed is there.
func (c *Config) fill() (Kernel, error) {
	k, err := FindKernel(c.Cache, c.Kernel)
	if err != nil {
		return Kernel{}, err
	}
	if err := need(append(c.addedPrograms(), k.series.arch.qemu)...); err != nil {
		return Kernel{}, err
	}
	if c.CPUs == 0 {
		c.CPUs = 2
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = 1024
	}
	if c.Init == "" && k.series.arch.native() {
		exe, err := os.Executable()
		if err != nil {
			return Kernel{}, fmt.Errorf("find own program: %w", err)
		}
		c.Init = exe
	}
	return k, checkBinary(c.Binary, k)
}

// job translates the configuration for the guest.
func (c *Config) job(k Kernel) (*Job, outputs, error) {
	args, dirs, out, err := redirect(c.Args)
	if err != nil {
		return nil, nil, err
	}
	modules, err := c.modules(k)
	if err != nil {
		return nil, nil, err
	}
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/tmp",
		"USER=root", "LANG=C.UTF-8", "VMRUN=" + k.Series,
	}
	if c.OutDir != "" {
		if out[filesDir], err = filepath.Abs(c.OutDir); err != nil {
			return nil, nil, err
		}
		dirs = append(dirs, filesDir)
		env = append(env, "VMRUN_OUT="+path.Join(outDir, filesDir))
	}
	return &Job{
		Args:    append([]string{path.Join(testDir, filepath.Base(c.Binary))}, args...),
		Env:     append(env, c.Env...),
		Modules: modules,
		Timeout: c.Timeout,
		TTY:     k.series.arch.tty,
		OutDirs: dirs,
	}, out, nil
}

// explain adds to an error what the guest last said.
func explain(ctx context.Context, err error, k Kernel, m *machine, con *console) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errHang) {
		if ask := m.askWhere(); ask != nil {
			err = fmt.Errorf("%w (and does not say where: %v)", err, ask)
		}
	}
	lines := con.trouble()
	if lines == nil {
		lines = con.tail(tailLines)
	}
	if errors.Is(err, errHang) {
		lines = con.tail(4 * tailLines)
	}
	text := fmt.Sprintf("its last messages:\n%s", indent(lines))
	if s := strings.TrimSpace(m.stderr.String()); s != "" && m.ended() {
		text += "\n" + k.series.arch.qemu + " said: " + s
	}
	return fmt.Errorf("kernel %s: %w; %s", k.Series, err, text)
}

// ended reports whether QEMU has, so that its messages may be read.
func (m *machine) ended() bool {
	select {
	case <-m.exited:
		return true
	default:
		return false
	}
}

func indent(lines []string) string {
	if len(lines) == 0 {
		return "\t(none)"
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("\t" + printable(line) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// exitCode reads the payload of the last frame.
func exitCode(payload []byte) (int, error) {
	if len(payload) != 4 {
		return 0, fmt.Errorf("guest sent an exit code of %d bytes", len(payload))
	}
	return int(int32(binary.BigEndian.Uint32(payload))), nil
}
