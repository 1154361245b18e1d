package vmrun

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Deb is one pinned package.
type Deb struct {
	Series  string // 5.10
	Package string
	Version string
	SHA256  string // lower case hex
}

// Lock is the set of pinned packages, in the order of the file.
type Lock []Deb

const lockHeader = `# Kernels that the tests run on: Debian's cloud flavour.
# series package version sha256; rewritten by: vmrun fetch -refresh
`

// ParseLock reads a lock: one package a line, # begins a comment.
func ParseLock(r io.Reader) (Lock, error) {
	var lock Lock
	scanner := bufio.NewScanner(r)
	for n := 1; scanner.Scan(); n++ {
		line, _, _ := strings.Cut(scanner.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		deb, err := parseDeb(fields)
		if err != nil {
			return nil, fmt.Errorf("parse lock: line %d: %w", n, err)
		}
		if slices.ContainsFunc(lock, deb.same) {
			return nil, fmt.Errorf("parse lock: line %d: package %s again in series %s", n, deb.Package, deb.Series)
		}
		lock = append(lock, deb)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read lock: %w", err)
	}
	return lock, nil
}

func parseDeb(fields []string) (Deb, error) {
	if len(fields) != 4 {
		return Deb{}, fmt.Errorf("%d fields, want 4: series package version sha256", len(fields))
	}
	d := Deb{fields[0], fields[1], fields[2], fields[3]}
	if !slices.Contains(SeriesNames(), d.Series) {
		return Deb{}, fmt.Errorf("unknown series %q, want one of %s", d.Series, strings.Join(SeriesNames(), ", "))
	}
	for _, name := range []string{d.Package, d.Version} {
		if strings.Trim(name, nameRunes) != "" {
			return Deb{}, fmt.Errorf("%q has a letter that no package name or version has", name)
		}
		if name[0] == '-' || name[0] == '.' {
			return Deb{}, fmt.Errorf("%q begins like an option or a hidden file", name)
		}
	}
	if sum, err := hex.DecodeString(d.SHA256); err != nil || len(sum) != 32 || strings.ToLower(d.SHA256) != d.SHA256 {
		return Deb{}, fmt.Errorf("%q is no SHA-256: want 64 lower case hex digits", d.SHA256)
	}
	return d, nil
}

// nameRunes are what Debian policy allows in package names and versions, but
// for the epoch's colon, which no kernel has.
const nameRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-~"

func (d Deb) same(other Deb) bool { return d.Series == other.Series && d.Package == other.Package }

// String returns the line of the lock.
func (d Deb) String() string {
	return strings.Join([]string{d.Series, d.Package, d.Version, d.SHA256}, " ")
}

// Format returns the text that ParseLock reads.
func (l Lock) Format() string {
	var b strings.Builder
	b.WriteString(lockHeader)
	for _, d := range l {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}

// Series returns the packages of one series.
func (l Lock) Series(name string) Lock {
	var some Lock
	for _, d := range l {
		if d.Series == name {
			some = append(some, d)
		}
	}
	return some
}
