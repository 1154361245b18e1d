package record

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parseComm reads a process name, which has at most 15 bytes.
func parseComm(s string) (comm [16]byte, err error) {
	raw, err := unescapeAll(s)
	if err != nil {
		return comm, err
	}
	if len(raw) > len(comm) {
		return comm, fmt.Errorf("parse name: %d bytes, want at most %d", len(raw), len(comm))
	}
	copy(comm[:], raw)
	return comm, nil
}

// unescapeAll undoes the escapes of package printable, so that a name that was
// escaped once is not escaped again.
func unescapeAll(s string) (raw []byte, err error) {
	raw = make([]byte, 0, 16)
	for len(s) > 0 {
		if s[0] != '\\' {
			_, n := utf8.DecodeRuneInString(s)
			raw, s = append(raw, s[:n]...), s[n:]
			continue
		}
		if raw, s, err = unescape(raw, s); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// unescape reads the escape that s begins with: \\, \xNN, \uNNNN or \UNNNNNNNN.
func unescape(raw []byte, s string) ([]byte, string, error) {
	bad := fmt.Errorf("parse name: bad escape in %q", s)
	if strings.HasPrefix(s, `\\`) {
		return append(raw, '\\'), s[2:], nil
	}
	if len(s) < 2 {
		return raw, s, bad
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	if digits == 0 || len(s) < 2+digits {
		return raw, s, bad
	}
	n, err := strconv.ParseUint(s[2:2+digits], 16, 32)
	if err != nil {
		return raw, s, bad
	}
	if digits == 2 {
		raw = append(raw, byte(n))
	} else {
		raw = utf8.AppendRune(raw, rune(n))
	}
	return raw, s[2+digits:], nil
}
