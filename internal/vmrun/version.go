package vmrun

import (
	"cmp"
	"strings"
)

// compareVersions orders Debian versions without epochs, as dpkg does: runs of
// digits as numbers, other runs by letter, a tilde before everything, even
// before the end.
func compareVersions(a, b string) int {
	aUp, aRev := splitRevision(a)
	bUp, bRev := splitRevision(b)
	if c := compareParts(aUp, bUp); c != 0 {
		return c
	}
	return compareParts(aRev, bRev)
}

func splitRevision(v string) (upstream, revision string) {
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return v[:i], v[i+1:]
	}
	return v, ""
}

func compareParts(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = takeRun(a, false)
		y, b = takeRun(b, false)
		if c := compareText(x, y); c != 0 {
			return c
		}
		x, a = takeRun(a, true)
		y, b = takeRun(b, true)
		if c := compareNumbers(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// takeRun splits off the leading run of digits, or of anything else.
func takeRun(s string, digits bool) (run, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) == digits {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func compareText(a, b string) int {
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(weight(a, i), weight(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

// weight places a letter: tilde, the end, letters, everything else.
func weight(s string, i int) int {
	switch {
	case i >= len(s):
		return 0
	case s[i] == '~':
		return -1
	case 'A' <= s[i] && s[i] <= 'Z' || 'a' <= s[i] && s[i] <= 'z':
		return int(s[i])
	default:
		return int(s[i]) + 256
	}
}

// compareNumbers compares runs of digits of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return cmp.Compare(a, b)
}
