package vmrun

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Fetcher brings kernels into a cache.
type Fetcher struct {
	Cache   string
	Lock    Lock
	Refresh bool // take the newest instead of what is pinned
	Strict  bool // a pinned package that has left the mirror is an error
	Mirrors func() (Mirrors, error)
	Log     io.Writer
}

// Fetch makes the kernel of each series ready and returns the lock that
// describes what is there now.
func (f *Fetcher) Fetch(ctx context.Context, names []string) (Lock, error) {
	if err := os.MkdirAll(f.Cache, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockCache(f.Cache)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var lock Lock
	for _, s := range allSeries {
		pinned := f.Lock.Series(s.name)
		if slices.Contains(names, s.name) {
			if pinned, err = f.series(ctx, &s, pinned); err != nil {
				return nil, fmt.Errorf("fetch kernel %s: %w", s.name, err)
			}
		}
		lock = append(lock, pinned...)
	}
	return lock, nil
}

// lockCache keeps two fetches apart.
func lockCache(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock cache: %w", err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// series makes one kernel ready and returns what it was made of.
func (f *Fetcher) series(ctx context.Context, s *series, pinned Lock) (Lock, error) {
	if !f.Refresh && f.ready(s.name, pinned) {
		return pinned, nil
	}
	if err := need("dpkg-deb", "xz"); err != nil {
		return nil, err
	}
	if !f.Refresh {
		if files, ok := f.kept(pinned); ok {
			return pinned, f.unpack(ctx, s, pinned, files)
		}
	}
	a, choice, err := f.choose(ctx, s, pinned)
	if err != nil {
		return nil, err
	}
	if f.ready(s.name, choice) {
		return choice, nil
	}
	files, err := f.download(ctx, a, choice)
	if err != nil {
		return nil, err
	}
	return choice, f.unpack(ctx, s, choice, files)
}

// choose looks for the pinned packages, else for the newest, suite by suite.
func (f *Fetcher) choose(ctx context.Context, s *series, pinned Lock) (*apt, Lock, error) {
	mirrors, err := f.Mirrors()
	if err != nil {
		return nil, nil, err
	}
	var newestApt *apt
	var newest Lock
	for _, suite := range s.suites {
		a, err := newApt(ctx, filepath.Join(f.Cache, "apt", suite.name+"-"+s.arch.name), mirrors, suite, s.arch.name)
		if err != nil {
			return nil, nil, err
		}
		debs, err := a.candidates(ctx, s)
		if err != nil {
			return nil, nil, err
		}
		if !f.Refresh && pinned.has(debs) {
			return a, pinned, nil
		}
		if newest == nil {
			newestApt, newest = a, s.newest(debs)
		}
		if newest != nil && f.Refresh {
			break
		}
	}
	if newest == nil {
		return nil, nil, errors.New("no suite has one")
	}
	if f.Refresh {
		return newestApt, newest, nil
	}
	if f.Strict {
		return nil, nil, fmt.Errorf("lock stale: the mirror has no %v any more; the newest is %v", pinned, newest)
	}
	for _, d := range newest {
		fmt.Fprintf(f.Log, "vmrun: lock stale, taking the newest: %s\n", d)
	}
	return newestApt, newest, nil
}

// download fetches the packages into the cache and checks them.
func (f *Fetcher) download(ctx context.Context, a *apt, lock Lock) ([]string, error) {
	var files []string
	for _, d := range lock {
		dir := f.debDir(d)
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		fmt.Fprintf(f.Log, "vmrun: downloading %s %s\n", d.Package, d.Version)
		file, err := a.download(ctx, dir, d)
		if err != nil {
			return nil, err
		}
		if err := checkSum(file, d.SHA256); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		files = append(files, file)
	}
	return files, nil
}

// debDir is where a package is kept: the mirror forgets old ones.
func (f *Fetcher) debDir(d Deb) string { return filepath.Join(f.Cache, "debs", d.SHA256) }

// kept returns the packages if the cache has them all.
func (f *Fetcher) kept(lock Lock) ([]string, bool) {
	var files []string
	for _, d := range lock {
		found, _ := filepath.Glob(filepath.Join(f.debDir(d), "*.deb")) // the pattern is fine
		if len(found) != 1 || checkSum(found[0], d.SHA256) != nil {
			return nil, false
		}
		files = append(files, found[0])
	}
	return files, len(files) > 0
}

// checkSum compares a file's SHA-256.
func checkSum(file, want string) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s has the SHA-256 %s, want %s", filepath.Base(file), got, want)
	}
	return nil
}
