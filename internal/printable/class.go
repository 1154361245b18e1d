package printable

import (
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may stand on one character. Living
// languages need three; piles of them paint over the lines above and below.
const maxMarks = 4

// marks follows the combining marks through a string.
type marks struct {
	base bool // a character came before that a mark can stand on
	run  int  // how many marks stand on it
}

// admit reports whether another combining mark may pass.
func (m *marks) admit() bool {
	if !m.base || m.run == maxMarks {
		return false
	}
	m.run++
	return true
}

// passes reports whether the character r, decoded from size bytes, may be
// written as it is, and moves m past it.
func passes(r rune, size int, m *marks) bool {
	if invalid(r, size) || !visible(r) {
		*m = marks{} // an escape comes: a mark must not stand on its last digit
		return false
	}
	if unicode.IsMark(r) {
		return m.admit()
	}
	*m = marks{base: r != '\\'}
	return r != '\\'
}

// invalid reports whether r stands for a byte that is not UTF-8; a U+FFFD that
// somebody wrote takes three bytes.
func invalid(r rune, size int) bool { return r == utf8.RuneError && size == 1 }

// visible reports whether r leaves ink, or is the ASCII space. unicode.IsPrint
// already refuses control, format, private-use, surrogate and unassigned
// characters and every other space; some letters, marks and symbols are
// invisible all the same.
func visible(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r <= '~'
	}
	return unicode.IsPrint(r) && !invisible(r)
}

// brailleBlank is a symbol without a dot: a space in disguise.
const brailleBlank = '\u2800'

// invisible reports whether r is printable by its category and yet draws
// nothing: fillers, joiners and variation selectors.
func invisible(r rune) bool {
	return r == brailleBlank ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.Is(unicode.Variation_Selector, r) ||
		unicode.Is(khmerInherent, r)
}

// khmerInherent holds the vowels U+17B4 and U+17B5, which Unicode tells
// renderers not to draw (DerivedCoreProperties: Default_Ignorable_Code_Point).
var khmerInherent = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x17b4, Hi: 0x17b5, Stride: 1}}}
