package netns

import (
	"os"
	"path/filepath"
	"time"
)

// Names knows the names under /run/netns by inode number. They are read at most
// once a second, so that one given or taken shows soon. One goroutine uses it.
type Names struct {
	read   uint64
	byInum map[uint32]string
}

const (
	namedDir = "/run/netns"
	maxNames = 65536
)

// Of returns the name of a network namespace, empty if it has none. at is the time of
// what is said of it, in ns of any one clock.
func (n *Names) Of(inum uint32, at uint64) string {
	if n.byInum == nil || at > n.read+uint64(time.Second) {
		n.read = at
		n.byInum = readNames(namedDir)
	}
	return n.byInum[inum]
}

func readNames(path string) map[uint32]string {
	names := map[uint32]string{}
	dir, err := os.Open(path)
	if err != nil {
		return names // nobody has named any
	}
	defer dir.Close()
	files, _ := dir.Readdirnames(maxNames)
	for _, name := range files {
		inum, err := inode(filepath.Join(path, name))
		if err != nil {
			continue // a stale name refers to nothing
		}
		if old, ok := names[inum]; !ok || name < old {
			names[inum] = name
		}
	}
	return names
}
