package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/vmrun"
)

// matrixFlags are what only matrix has.
type matrixFlags struct {
	kernels, only, skip string
	short, showAll      bool
	fetch, skips        bool
	prebuilt            prebuilt
	jobs                int
	limit               time.Duration
}

func matrix(ctx context.Context, args []string) (int, error) {
	fs, cache := newFlags("vmrun matrix")
	var f matrixFlags
	fs.StringVar(&f.kernels, "k", "", "`list` of kernel series (default all of amd64)")
	fs.StringVar(&f.only, "run", "", "run only the tests that match this regular `expression`")
	fs.StringVar(&f.skip, "skip", "", "do not run the tests that match this regular `expression`")
	fs.BoolVar(&f.short, "short", false, "pass -test.short")
	fs.BoolVar(&f.showAll, "v", false, "show the output of tests that pass, too")
	fs.BoolVar(&f.fetch, "fetch", false, "bring kernels that are missing into the cache before")
	fs.BoolVar(&f.skips, "skips", false, "list each skipped test with its reason")
	fs.Var(&f.prebuilt, "prebuilt", "`NAME=PACKAGE`: build this command once, and have NAME in the guests say where it is; may be repeated")
	fs.IntVar(&f.jobs, "j", min(2, runtime.NumCPU()), "guests at a time; emulation takes one processor for each")
	fs.DurationVar(&f.limit, "limit", 0, "give up when all this takes longer, fetching apart (default no limit)")
	var g guestFlags
	g.register(fs)
	if err := fs.Parse(args); err != nil {
		return 0, errUsage
	}
	if fs.NArg() == 0 {
		fs.Usage()
		return 0, errUsage
	}
	names, err := vmrun.ParseSeries(f.kernels)
	if err != nil {
		return 0, err
	}
	dir, err := cacheDir(*cache)
	if err != nil {
		return 0, err
	}
	m := vmrun.Matrix{
		Config: g.config(dir), Kernels: names, Packages: fs.Args(), ShowAll: f.showAll,
		TestArgs: testArgs(f.only, f.skip, f.short), Prebuilt: f.prebuilt,
		Jobs: f.jobs, Limit: f.limit, OutDir: g.out,
	}
	if f.fetch {
		if err := fetchFor(ctx, &m); err != nil {
			return 0, err
		}
	}
	return report(ctx, &m, f.skips)
}

// fetchFor brings the kernels of a matrix into the cache, once it is sure that
// nothing else is missing.
func fetchFor(ctx context.Context, m *vmrun.Matrix) error {
	if err := m.Need(vmrun.FetchPrograms()...); err != nil {
		return err
	}
	lock, err := readLock("")
	if err != nil {
		return err
	}
	f := vmrun.Fetcher{Cache: m.Config.Cache, Lock: lock, Log: os.Stderr, Mirrors: vmrun.SystemMirrors}
	_, err = f.Fetch(ctx, m.Kernels)
	return err
}

// report runs a matrix and tells what came of it, also if it was cut short.
func report(ctx context.Context, m *vmrun.Matrix, skips bool) (code int, err error) {
	results, err := m.Run(ctx)
	if results == nil {
		return 0, err
	}
	err = errors.Join(err, results.Print(os.Stdout))
	if skips {
		err = errors.Join(err, results.PrintSkips(os.Stdout))
	}
	if m.OutDir != "" {
		err = errors.Join(err, results.Save(m.OutDir))
	}
	if !results.OK {
		code = 1
	}
	return code, err
}

// prebuilt is a flag NAME=PACKAGE.
type prebuilt []vmrun.Prebuilt

func (p *prebuilt) String() string { return fmt.Sprint(*p) }

// Set implements flag.Value.
func (p *prebuilt) Set(s string) error {
	one, err := vmrun.ParsePrebuilt(s)
	*p = append(*p, one)
	return err
}

func testArgs(only, skip string, short bool) []string {
	args := []string{"-test.v"}
	if only = strings.TrimSpace(only); only != "" {
		args = append(args, "-test.run="+only)
	}
	if skip = strings.TrimSpace(skip); skip != "" {
		args = append(args, "-test.skip="+skip)
	}
	if short {
		args = append(args, "-test.short")
	}
	return args
}
