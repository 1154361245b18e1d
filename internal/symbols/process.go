package symbols

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// process is the code that a process has mapped.
type process struct {
	mappings []mapping // by address
	read     time.Time
}

// identity is a file, as /proc/PID/maps names it beside its path.
type identity struct{ device, inode string }

// mapping is a run of code from a file.
type mapping struct {
	start, end uint64 // addresses
	offset     uint64 // in the file
	identity   identity
	path       string
}

// file is the path through which the kernel gives the mapped file itself, even if
// it has been deleted or replaced since; it takes CAP_SYS_ADMIN or
// CAP_CHECKPOINT_RESTORE.
func (m *mapping) file(dir string) string {
	return filepath.Join(dir, "map_files", fmt.Sprintf("%x-%x", m.start, m.end))
}

// Bounds of what is read of one process: it may have mapped anything.
const (
	maxMaps     = 16 << 20 // bytes of /proc/PID/maps
	maxMappings = 16384
	rereadAfter = time.Second
)

func (p *process) stale() bool { return time.Since(p.read) > rereadAfter }

func (p *process) find(address uint64) *mapping {
	if p == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(p.mappings, address, func(m mapping, address uint64) int {
		switch {
		case m.end <= address:
			return -1
		case m.start > address:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &p.mappings[i]
}

// readProcess reads what the process below dir has mapped; nothing if it has ended.
func readProcess(dir string) *process {
	p := &process{read: time.Now()}
	f, err := os.Open(filepath.Join(dir, "maps"))
	if err != nil {
		return p
	}
	defer f.Close()
	p.mappings = parseMaps(io.LimitReader(f, maxMaps))
	return p
}

// parseMaps returns the code of files in /proc/PID/maps (proc_pid_maps(5)), by
// address. Lines that are no such line are passed over.
func parseMaps(r io.Reader) (all []mapping) {
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(all) < maxMappings {
		if m, ok := parseMapping(lines.Text()); ok {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b mapping) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	return all
}

func parseMapping(line string) (m mapping, ok bool) {
	var fields [5]string // address range, permissions, offset, device, inode
	rest := line
	for i := range fields {
		fields[i], rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
	}
	from, to, _ := strings.Cut(fields[0], "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	offset, err3 := strconv.ParseUint(fields[2], 16, 64)
	path := strings.TrimSuffix(strings.TrimLeft(rest, " "), " (deleted)")
	if err1 != nil || err2 != nil || err3 != nil || start >= end || len(fields[1]) < 3 || fields[1][2] != 'x' || !strings.HasPrefix(path, "/") {
		return mapping{}, false
	}
	return mapping{start, end, offset, identity{fields[3], fields[4]}, path}, true
}
