// Package printable makes text from outside safe to print: process names,
// command lines, container names and whatever else somebody else chose. Every
// sink calls it last, on the very text that it writes.
//
// What it guarantees: the result is valid UTF-8, is at most Max bytes long, and
// holds only visible characters and the ASCII space. No control character,
// bidirectional control, zero-width character or line separator passes, so the
// text can neither drive a terminal, nor break a line, nor hide a part of
// itself. What a sink's own syntax gives a meaning to (quotes, commas, [red],
// </script>, =cmd()) is left alone: that sink must quote it.
package printable

import (
	"strings"
	"unicode/utf8"
)

// Max is the greatest length of a result, in bytes.
const Max = 4096

// ellipsis ends a result that was cut short.
const ellipsis = "…"

// String returns s with everything that is not plainly visible spelt out as in
// a Go string literal: \x1b for an ASCII control character or a byte that is
// not UTF-8, \u202e and \U000e0001 for other characters, and \\ for a
// backslash, which makes the result unambiguous: unquoting gives s back. A run
// of combining marks is spelt out from its fifth mark on, and where it has no
// character of its own to stand on.
//
// A result longer than Max is cut after the last whole character or escape that
// leaves room for an ellipsis. A string that needs none of this is returned as
// it is, without an allocation.
func String(s string) string {
	n := cleanPrefix(s)
	if n == len(s) && n <= Max {
		return s
	}
	return rewrite(s)
}

// Bytes is String of the text in b.
func Bytes(b []byte) string { return String(string(b)) }

// Comm is String of a process name as the kernel holds it: it ends at the first
// NUL, or fills the whole array.
func Comm(c *[16]byte) string {
	n := 0
	for n < len(c) && c[n] != 0 {
		n++
	}
	return Bytes(c[:n])
}

// cleanPrefix returns how many bytes at the start of s pass as they are.
func cleanPrefix(s string) int {
	n := 0
	for n < len(s) && plainASCII(s[n]) {
		n++
	}
	if n == len(s) {
		return n // nearly every process name
	}
	var m marks
	for n = 0; n < len(s); {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !passes(r, size, &m) {
			return n
		}
		n += size
	}
	return n
}

// plainASCII reports whether b is a visible ASCII character or the space, and
// not the backslash.
func plainASCII(b byte) bool { return b >= ' ' && b <= '~' && b != '\\' }

// rewrite escapes and cuts s. It reads no more of s than it needs to fill Max
// bytes.
func rewrite(s string) string {
	var out strings.Builder
	out.Grow(min(2*len(s), Max) + utf8.UTFMax)
	var m marks
	cut := 0 // the longest prefix of out that leaves room for the ellipsis
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if passes(r, size, &m) {
			out.WriteString(s[:size])
		} else {
			writeEscape(&out, r, s[0], size)
		}
		if out.Len() > Max {
			return out.String()[:cut] + ellipsis
		}
		if out.Len() <= Max-len(ellipsis) {
			cut = out.Len()
		}
		s = s[size:]
	}
	return out.String()
}
