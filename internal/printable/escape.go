package printable

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// writeEscape spells the character r, decoded from size bytes of which the
// first is b, as a Go string literal does.
func writeEscape(out *strings.Builder, r rune, b byte, size int) {
	switch {
	case r == '\\':
		out.WriteString(`\\`)
	case invalid(r, size):
		writeHex(out, `\x`, uint32(b), 2)
	case r < utf8.RuneSelf:
		writeHex(out, `\x`, uint32(r), 2)
	case r <= 0xffff:
		writeHex(out, `\u`, uint32(r), 4)
	default:
		writeHex(out, `\U`, uint32(r), 8)
	}
}

// writeHex writes prefix and the lowest digits hexadecimal digits of v.
func writeHex(out *strings.Builder, prefix string, v uint32, digits int) {
	out.WriteString(prefix)
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		out.WriteByte(hexDigits[v>>shift&0xf])
	}
}
