// Package netns finds the network namespaces of the host and enters them.
package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Namespace is one network namespace and a way to reach it.
type Namespace struct {
	Inum uint32 // inode number, as lsns prints it; reused within seconds of its end
	Path string // a file that refers to it: /proc/PID/ns/net or /run/netns/NAME
	Name string // its name under /run/netns, if it has one
}

// Self returns the namespace of the calling thread.
func Self() (Namespace, error) {
	const path = "/proc/thread-self/ns/net"
	inum, err := inode(path)
	if err != nil {
		return Namespace{}, fmt.Errorf("identify own network namespace: %w", err)
	}
	return Namespace{Inum: inum, Path: path}, nil
}

// List returns every network namespace that a visible process lives in or that
// has a name under /run/netns, each once. unreadable counts the processes
// whose namespace may not be asked for. A namespace that only an open fd or a
// thread other than a process's first keeps alive is not found.
func List() (found []Namespace, unreadable int, err error) {
	seen := map[uint32]int{}
	add := func(path, name string) error {
		inum, err := inode(path)
		if err != nil {
			return err
		}
		if i, ok := seen[inum]; ok {
			if name != "" {
				found[i].Name = name
			}
			return nil
		}
		seen[inum] = len(found)
		found = append(found, Namespace{Inum: inum, Path: path, Name: name})
		return nil
	}
	pids, err := processes()
	if err != nil {
		return nil, 0, fmt.Errorf("list processes: %w", err)
	}
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid)
		err := add(dir+"/ns/net", "")
		if errors.Is(err, os.ErrPermission) && exists(dir) {
			unreadable++ // hidden; of a process that has just ended the kernel says the same
		}
	}
	named, err := filepath.Glob(namedDir + "/*")
	if err != nil {
		return nil, 0, fmt.Errorf("list /run/netns: %w", err)
	}
	for _, path := range named {
		if isNamespace(path) {
			_ = add(path, filepath.Base(path)) // it may have ended since
		}
	}
	return found, unreadable, nil
}

// isNamespace reports whether a name leads to a namespace. The file that a stale
// one leaves, or one that is mounted out of sight of this mount namespace, has a
// number too, but of no namespace.
func isNamespace(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.NSFS_MAGIC
}

func processes() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func inode(path string) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return uint32(st.Ino), nil
}

// In runs fn on a thread of its own inside the namespace. The thread ends with
// fn, so nothing else ever runs in the wrong namespace. Needs CAP_SYS_ADMIN.
func (ns Namespace) In(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The runtime cannot end the first thread: it would stay in the
			// namespace, and keep that alive. While it is held here, another
			// thread is chosen.
			defer runtime.UnlockOSThread()
			done <- ns.In(fn)
			return
		}
		done <- ns.enter(fn) // never unlocked: the runtime ends the thread
	}()
	return <-done
}

func (ns Namespace) enter(fn func() error) error {
	f, err := ns.open()
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %d: %w", ns.Inum, err)
	}
	return fn()
}

// open opens the namespace. The process that led to it may have ended, or its
// number may be another's by now: then another one that lives in it will do.
// The error is os.ErrNotExist if there is none.
func (ns Namespace) open() (*os.File, error) {
	f, err := openInum(ns.Path, ns.Inum)
	if err == nil {
		return f, nil
	}
	found, _, err := List()
	if err != nil {
		return nil, err
	}
	for _, other := range found {
		if other.Inum == ns.Inum {
			return openInum(other.Path, ns.Inum)
		}
	}
	return nil, os.ErrNotExist
}

// openInum opens a file that refers to the namespace inum, and no other.
func openInum(path string, inum uint32) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || uint32(st.Ino) != inum {
		return nil, errors.Join(os.ErrNotExist, err, f.Close())
	}
	return f, nil
}

// Cookie returns the cookie of the calling thread's namespace: unlike its
// number it is never used again. 0 if the kernel does not tell (SO_NETNS_COOKIE,
// Linux 5.14).
func Cookie() uint64 {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(fd) }()
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}
