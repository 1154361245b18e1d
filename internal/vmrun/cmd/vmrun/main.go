// Command vmrun runs test binaries under other kernels, in QEMU.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/vmrun"
)

const usage = `usage: vmrun fetch [-cache DIR] [-k LIST] [-refresh] [-strict]
       vmrun -k SERIES [-mods LIST] [-e NAME=VALUE] [-add FILES] [-timeout D] [-out DIR] BINARY [ARG...]
       vmrun matrix [-k LIST] [-j N] [-fetch] [-run RE] [-skips] [-limit D] [-out DIR] [-prebuilt NAME=PACKAGE]
                    [flags of a guest as above] PACKAGE...
as the runner of a test: CGO_ENABLED=0 go test -exec "vmrun -k 6.1" ./...
`

// exitTrouble is the exit code for what is not the program's fault, as of
// env(1) and timeout(1).
const exitTrouble = 125

// errUsage is a mistake in the arguments that flag has already told of.
var errUsage = errors.New("")

func main() {
	if vmrun.IsGuest() {
		vmrun.Guest()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	code, err := dispatch(ctx, os.Args[1:])
	stop()
	if err != nil {
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "vmrun:", err)
		os.Exit(exitTrouble)
	}
	os.Exit(code)
}

func dispatch(ctx context.Context, args []string) (int, error) {
	if len(args) > 0 {
		switch args[0] {
		case "fetch":
			return 0, fetch(ctx, args[1:])
		case "matrix":
			return matrix(ctx, args[1:])
		}
	}
	return run(ctx, args)
}

// newFlags returns a set of flags with what all commands have.
func newFlags(name string) (*flag.FlagSet, *string) {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	return fs, fs.String("cache", "", "`directory` of the kernels (default $XDG_CACHE_HOME/tcpwatch-kernels)")
}

func cacheDir(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	return vmrun.DefaultCache()
}

// list is a flag that may be given again, and takes several values at a time.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	for v := range strings.SplitSeq(s, ",") {
		if v != "" {
			*l = append(*l, v)
		}
	}
	return nil
}

// environment is a flag NAME=VALUE, or NAME for what this process has.
type environment []string

func (e *environment) String() string { return strings.Join(*e, " ") }

// Set implements flag.Value.
func (e *environment) Set(s string) error {
	name, _, ok := strings.Cut(s, "=")
	if name == "" {
		return errors.New("want NAME=VALUE or NAME")
	}
	if !ok {
		value, set := os.LookupEnv(name)
		if !set {
			return fmt.Errorf("%s is not set", name)
		}
		s = name + "=" + value
	}
	*e = append(*e, s)
	return nil
}

// guestFlags are what run and matrix share.
type guestFlags struct {
	modules list
	env     environment
	add     list
	timeout time.Duration
	cpus    int
	memory  int
	verbose bool
	out     string
}

func (g *guestFlags) register(fs *flag.FlagSet) {
	fs.Var(&g.modules, "mods", "kernel `modules` to load before, with what they depend on")
	fs.Var(&g.env, "e", "`NAME=VALUE` for the program's environment; may be repeated")
	fs.Var(&g.add, "add", "`files` for the guest: a path, HOST:GUEST or the name of a program; shared libraries come along")
	fs.DurationVar(&g.timeout, "timeout", 10*time.Minute, "time for the program, which then shows its goroutines and dies")
	fs.IntVar(&g.cpus, "cpus", 2, "processors of the guest")
	fs.IntVar(&g.memory, "memory", 1024, "MiB of the guest")
	fs.StringVar(&g.out, "out", "", "`directory` for what programs write into the one that VMRUN_OUT names there, by series")
	fs.BoolVar(&g.verbose, "verbose", false, "show the kernel's messages")
}

func (g *guestFlags) config(cache string) vmrun.Config {
	return vmrun.Config{
		Cache: cache, Modules: g.modules, Env: g.env, Add: g.add, Timeout: g.timeout,
		CPUs: g.cpus, MemoryMB: g.memory, Verbose: g.verbose,
		Stdout: os.Stdout, Stderr: os.Stderr,
	}
}

func run(ctx context.Context, args []string) (int, error) {
	fs, cache := newFlags("vmrun")
	kernel := fs.String("k", "", "kernel `series`: "+strings.Join(vmrun.SeriesNames(), ", "))
	var g guestFlags
	g.register(fs)
	if err := fs.Parse(args); err != nil {
		return 0, errUsage
	}
	if *kernel == "" || fs.NArg() == 0 {
		fs.Usage()
		return 0, errUsage
	}
	names, err := vmrun.ParseSeries(*kernel)
	if err != nil {
		return 0, err
	}
	if len(names) > 1 {
		return 0, fmt.Errorf("%s are several kernels: use vmrun matrix", *kernel)
	}
	dir, err := cacheDir(*cache)
	if err != nil {
		return 0, err
	}
	c := g.config(dir)
	c.Kernel, c.Binary, c.Args = names[0], fs.Arg(0), fs.Args()[1:]
	if g.out != "" {
		c.OutDir = filepath.Join(g.out, names[0])
	}
	result, err := vmrun.Run(ctx, c)
	if g.verbose && err == nil {
		fmt.Fprintf(os.Stderr, "vmrun: kernel %s: booted in %.1fs, %.1fs in all, exit code %d\n",
			*kernel, result.Boot.Seconds(), result.Total.Seconds(), result.Code)
	}
	return result.Code, err
}
