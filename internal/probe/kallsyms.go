package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// kallsymsPath lists the addresses of the kernel's functions, or zeros for
// readers whom the kernel does not trust with them (kallsyms_show_value).
const kallsymsPath = "/proc/kallsyms"

// errHidden says that the addresses are there, but not for us.
var errHidden = errors.New(kallsymsPath + " hides addresses: CAP_SYSLOG or kernel.kptr_restrict=0 would show them")

// code is where a function of the kernel lies, or a part that the compiler
// split off: up to the next function.
type code struct {
	function   string // without what the compiler appended: .isra.0, .cold
	start, end uint64
}

// readKallsyms returns where the wanted functions of the running kernel lie.
func readKallsyms(wanted func(name []byte) bool) ([]code, error) {
	f, err := os.Open(kallsymsPath)
	if err != nil {
		return nil, fmt.Errorf("find kernel functions: %w", err)
	}
	defer f.Close()
	found, err := findCode(f, wanted)
	if err != nil {
		return nil, fmt.Errorf("find kernel functions: %w", err)
	}
	return found, nil
}

// findCode reads a list of symbols, one a line: address, type, name, and for
// those of a module a tab and its name. A symbol ends where the next one by
// address begins; modules' are not in order.
func findCode(r io.Reader, wanted func(name []byte) bool) (found []code, err error) {
	var starts []uint64 // of all code
	hidden := false
	// A line longer than the buffer is no symbol: the kernel's end at 512 bytes.
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if address, name, ok := parseSymbol(line); ok {
			function, _, _ := bytes.Cut(name, []byte("."))
			switch {
			case address != 0:
				starts = append(starts, address)
				if wanted(function) {
					found = append(found, code{string(function), address, 0})
				}
			case !hidden:
				hidden = wanted(function)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
	if hidden && len(found) == 0 {
		return nil, errHidden
	}
	slices.Sort(starts)
	for i := range found {
		first, _ := slices.BinarySearch(starts, found[i].start)
		for _, next := range starts[first:] {
			if next > found[i].start { // an alias begins at the same address
				found[i].end = next
				break
			}
		}
	}
	// What is last of all has no end.
	return slices.DeleteFunc(found, func(c code) bool { return c.end == 0 }), nil
}

// parseSymbol reads a line, if it is of code: of the types t, T, w and W.
func parseSymbol(line []byte) (address uint64, name []byte, ok bool) {
	digits, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(digits) == 0 || len(digits) > 16 || len(rest) < 3 || rest[1] != ' ' {
		return 0, nil, false
	}
	switch rest[0] {
	case 't', 'T', 'w', 'W':
	default:
		return 0, nil, false
	}
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			address = address<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			address = address<<4 | uint64(c-'a'+10)
		default:
			return 0, nil, false
		}
	}
	name = rest[2:]
	if end := bytes.IndexAny(name, "\t\n"); end >= 0 {
		name = name[:end]
	}
	return address, name, len(name) > 0
}
