package vmrun

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// etc is what programs look up.
var etc = map[string]string{
	"etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
	"etc/group":         "root:x:0:\nnogroup:x:65534:\n",
	"etc/hosts":         "127.0.0.1 localhost guest\n::1 localhost\n",
	"etc/nsswitch.conf": "hosts: files\n",
	"etc/resolv.conf":   "",
}

// initramfs packs everything into a file in memory. The guest reads it by the
// descriptor, so nothing stays behind however this process ends.
func (c *Config) initramfs(k Kernel, job *Job, init string) (*os.File, error) {
	files, err := c.files(k, job, init)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file in memory: %w", err)
	}
	archive := os.NewFile(uintptr(fd), "initramfs")
	w := bufio.NewWriterSize(archive, 1<<20)
	if err := errors.Join(WriteCPIO(w, files), w.Flush()); err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	return archive, nil
}

func (c *Config) files(k Kernel, job *Job, init string) ([]File, error) {
	encoded, err := job.encode()
	if err != nil {
		return nil, err
	}
	files := []File{
		{Path: "dev/console", Mode: modeChar | 0o600, Dev: [2]uint32{5, 1}},
		{Path: "root", Mode: modeDir | 0o700},
		{Path: strings.TrimPrefix(jobPath, "/"), Mode: modeReg | 0o644, Data: encoded},
	}
	for _, name := range slices.Sorted(maps.Keys(etc)) {
		files = append(files, File{Path: name, Mode: modeReg | 0o644, Data: []byte(etc[name])})
	}
	pairs, err := c.pairs(k, job, init)
	if err != nil {
		return nil, err
	}
	for _, pair := range pairs {
		more, err := hostTree(pair.host, pair.guest)
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", pair.host, err)
		}
		files = append(files, more...)
	}
	return files, nil
}

// pair is a file or directory here, and where the guest has it.
type pair struct{ host, guest string }

// pairs lists what the guest gets from this machine.
func (c *Config) pairs(k Kernel, job *Job, init string) ([]pair, error) {
	pairs := []pair{{init, initBinary}, {c.Binary, job.Args[0]}}
	for _, m := range job.Modules {
		pairs = append(pairs, pair{filepath.Join(k.Modules(), m+".ko"), path.Join(moduleDir, m+".ko")})
	}
	testdata := filepath.Join(c.Dir, "testdata")
	if _, err := os.Stat(testdata); err == nil {
		pairs = append(pairs, pair{testdata, path.Join(testDir, "testdata")})
	}
	for _, add := range c.Add {
		p, err := parseAdd(add)
		if err != nil {
			return nil, err
		}
		if !k.runs(p.host) {
			continue
		}
		pairs = append(pairs, p)
	}
	for _, p := range pairs {
		if st, err := os.Stat(p.host); err != nil || st.IsDir() {
			continue // packing it tells
		}
		needed, err := libraries(p.host)
		if err != nil {
			return nil, err
		}
		for _, l := range needed {
			pairs = append(pairs, pair{l, l})
		}
	}
	return pairs, nil
}

// addedPrograms returns the names of the programs to add.
func (c *Config) addedPrograms() []string {
	var names []string
	for _, add := range c.Add {
		if !strings.ContainsAny(add, "/:") {
			names = append(names, add)
		}
	}
	return names
}

// parseAdd reads what a user wants in the guest: HOST:GUEST, a path, or the
// name of a program.
func parseAdd(add string) (pair, error) {
	host, guest, ok := strings.Cut(add, ":")
	if ok {
		return pair{host, guest}, nil
	}
	if !strings.Contains(host, "/") {
		found, err := exec.LookPath(host)
		if err != nil {
			return pair{}, fmt.Errorf("add %s: %w", host, err)
		}
		host = found
	}
	guest, err := filepath.Abs(host)
	return pair{host, guest}, err
}

// hostTree reads a file, or all files below a directory.
func hostTree(host, guest string) ([]File, error) {
	st, err := os.Stat(host)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		f, err := hostFile(host, guest)
		return []File{f}, err
	}
	files := []File{{Path: strings.TrimPrefix(path.Clean(guest), "/"), Mode: modeDir | 0o755}}
	err = filepath.WalkDir(host, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(host, name)
		if err != nil {
			return err
		}
		f, err := hostFile(name, path.Join(guest, filepath.ToSlash(rel)))
		files = append(files, f)
		return err
	})
	return files, err
}
