package kerneltest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// format is how a tracepoint's records are laid out, as the kernel describes it
// in the tracepoint's file format.
type format struct {
	name   string // inet_sock_set_state
	id     uint16 // common_type of its records
	fields map[string]field
}

// field is where a value lies in a record, in bytes. The zero field is one that
// this kernel does not have: the first bytes are never a named value.
type field struct{ offset, size int }

var (
	formatID    = regexp.MustCompile(`(?m)^ID: (\d+)$`)
	formatField = regexp.MustCompile(`\tfield:.*?(\w+)(?:\[\w*\])?;\toffset:(\d+);\tsize:(\d+);`)
)

// readFormat reads the format of the tracepoint in a directory of an instance.
func readFormat(dir string) (*format, error) {
	text, err := os.ReadFile(filepath.Join(dir, "format"))
	if err != nil {
		return nil, err
	}
	return parseFormat(filepath.Base(dir), string(text))
}

func parseFormat(name, text string) (*format, error) {
	id := formatID.FindStringSubmatch(text)
	if id == nil {
		return nil, fmt.Errorf("format of %s has no ID", name)
	}
	n, err := strconv.ParseUint(id[1], 10, 16)
	if err != nil {
		return nil, fmt.Errorf("format of %s: %w", name, err)
	}
	f := &format{name: name, id: uint16(n), fields: make(map[string]field)}
	for _, m := range formatField.FindAllStringSubmatch(text, -1) {
		offset, err1 := strconv.Atoi(m[2])
		size, err2 := strconv.Atoi(m[3])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("format of %s: field %s out of range", name, m[1])
		}
		f.fields[m[1]] = field{offset, size}
	}
	return f, nil
}
