package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tcpwatch/tcpwatch/internal/vmrun"
)

func fetch(ctx context.Context, args []string) error {
	fs, cache := newFlags("vmrun fetch")
	kernels := fs.String("k", "", "`list` of kernel series (default all)")
	refresh := fs.Bool("refresh", false, "take the newest, and pin it in the lock")
	strict := fs.Bool("strict", false, "fail if a pinned package has left the mirror")
	lockFile := fs.String("lock", "", "lock `file` (default the one this program was built with; with -refresh the one in the source)")
	mirror := fs.String("mirror", "", "`URI` of Debian's archive (default as apt is set up)")
	security := fs.String("security-mirror", "", "`URI` of Debian's security archive (default as apt is set up)")
	if err := fs.Parse(args); err != nil {
		return errUsage
	}
	if fs.NArg() > 0 || (*mirror == "") != (*security == "") {
		fs.Usage()
		return errUsage
	}
	names, err := vmrun.ParseSeries(*kernels)
	if err != nil {
		return err
	}
	dir, err := cacheDir(*cache)
	if err != nil {
		return err
	}
	if *refresh && *lockFile == "" {
		if *lockFile, err = sourceLock(ctx); err != nil {
			return err
		}
	}
	lock, err := readLock(*lockFile)
	if err != nil {
		return err
	}
	f := vmrun.Fetcher{
		Cache: dir, Lock: lock, Refresh: *refresh, Strict: *strict, Log: os.Stderr,
		Mirrors: vmrun.SystemMirrors,
	}
	if *mirror != "" {
		f.Mirrors = func() (vmrun.Mirrors, error) { return vmrun.Mirrors{Main: *mirror, Security: *security}, nil }
	}
	if lock, err = f.Fetch(ctx, names); err != nil {
		return err
	}
	for _, name := range names {
		for _, d := range lock.Series(name) {
			fmt.Println(d)
		}
	}
	if *refresh {
		return os.WriteFile(*lockFile, []byte(lock.Format()), 0o644)
	}
	return nil
}

// readLock reads a lock; no name means the one in this program.
func readLock(file string) (vmrun.Lock, error) {
	if file == "" {
		return vmrun.ParseLock(strings.NewReader(vmrun.BuiltinLock))
	}
	r, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no lock %s: give -lock", file)
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return vmrun.ParseLock(r)
}

// sourceLock returns the path of the lock in the source tree.
func sourceLock(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/tcpwatch/tcpwatch/internal/vmrun").Output()
	if err != nil {
		return "", fmt.Errorf("find the source of the lock (%w): run it inside the module, or give -lock", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "kernels.lock"), nil
}
