package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/tcpwatch/tcpwatch/internal/vmrun"
)

func matrix(ctx context.Context, args []string) (int, error) {
	fs, cache := newFlags("vmrun matrix")
	kernels := fs.String("k", "", "`list` of kernel series (default all)")
	only := fs.String("run", "", "run only the tests that match this regular `expression`")
	skip := fs.String("skip", "", "do not run the tests that match this regular `expression`")
	short := fs.Bool("short", false, "pass -test.short")
	showAll := fs.Bool("v", false, "show the output of tests that pass, too")
	var g guestFlags
	g.register(fs)
	if err := fs.Parse(args); err != nil {
		return 0, errUsage
	}
	if fs.NArg() == 0 {
		fs.Usage()
		return 0, errUsage
	}
	names, err := vmrun.ParseSeries(*kernels)
	if err != nil {
		return 0, err
	}
	dir, err := cacheDir(*cache)
	if err != nil {
		return 0, err
	}
	m := vmrun.Matrix{
		Config: g.config(dir), Kernels: names, Packages: fs.Args(), ShowAll: *showAll,
		TestArgs: testArgs(*only, *skip, *short),
	}
	ok, err := m.Run(ctx)
	if err != nil {
		return 0, err
	}
	if err := m.Print(os.Stdout); err != nil {
		return 0, fmt.Errorf("print table: %w", err)
	}
	if !ok {
		return 1, nil
	}
	return 0, nil
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
