package vmrun

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// File is one entry of an initramfs.
type File struct {
	Path string // without the leading slash
	Mode uint32 // type and permissions, as in stat
	Data []byte // contents, or a symlink's target
	Dev  [2]uint32
}

// File types, as in stat.
const (
	modeDir  = 0o040000
	modeChar = 0o020000
	modeReg  = 0o100000
	modeLink = 0o120000
)

const cpioTrailer = "TRAILER!!!"

// WriteCPIO writes files as a cpio archive in the format newc, which the kernel
// unpacks into its first root. Directories that no entry names are added before
// what is in them.
func WriteCPIO(w io.Writer, files []File) error {
	c := cpioWriter{w: w}
	seen := map[string]bool{"": true, ".": true}
	for _, f := range files {
		for _, dir := range missingParents(f.Path, seen) {
			c.entry(File{Path: dir, Mode: modeDir | 0o755})
		}
		if seen[f.Path] {
			continue // a directory that was needed earlier, or the same file twice
		}
		seen[f.Path] = true
		c.entry(f)
	}
	c.entry(File{Path: cpioTrailer})
	return c.err
}

// missingParents returns the directories above name that are not in seen, the
// outermost first, and adds them to it.
func missingParents(name string, seen map[string]bool) []string {
	var dirs []string
	for dir := path.Dir(name); !seen[dir] && dir != "/"; dir = path.Dir(dir) {
		seen[dir] = true
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}

type cpioWriter struct {
	w     io.Writer
	inode uint32
	err   error // the first
}

func (c *cpioWriter) entry(f File) {
	if strings.ContainsRune(f.Path, 0) && c.err == nil {
		c.err = fmt.Errorf("write cpio: NUL in name %q", f.Path)
	}
	c.inode++
	links := 1
	if f.Mode&modeDir != 0 && f.Mode&modeChar == 0 {
		links = 2
	}
	const checksum = 0 // only the format crc has one
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.inode, f.Mode, 0, 0, links, 0, len(f.Data), 0, 0, f.Dev[0], f.Dev[1], len(f.Path)+1, checksum)
	c.padded([]byte(header + f.Path + "\x00"))
	c.padded(f.Data)
}

// padded writes b and zeros up to a multiple of four.
func (c *cpioWriter) padded(b []byte) {
	c.write(b)
	if rest := len(b) % 4; rest != 0 {
		c.write(make([]byte, 4-rest))
	}
}

func (c *cpioWriter) write(b []byte) {
	if c.err != nil || len(b) == 0 {
		return
	}
	if _, err := c.w.Write(b); err != nil {
		c.err = fmt.Errorf("write cpio: %w", err)
	}
}

// hostFile reads a file or symlink of this machine as an entry at guestPath.
func hostFile(hostPath, guestPath string) (File, error) {
	st, err := os.Stat(hostPath) // follows links: the guest has what they point to only if asked
	if err != nil {
		return File{}, err
	}
	data, err := os.ReadFile(hostPath)
	if err != nil {
		return File{}, err
	}
	guestPath = strings.TrimPrefix(path.Clean(guestPath), "/")
	return File{Path: guestPath, Mode: modeReg | uint32(st.Mode().Perm()), Data: data}, nil
}
