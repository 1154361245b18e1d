package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// pen writes a frame of an exact size: nothing that it writes leaves its line.
// Text must be safe to print.
type pen struct {
	out    strings.Builder
	theme  *theme
	glyphs *glyphs
	width  int
	left   int   // cells left in the line
	lines  int   // lines begun
	base   style // of the whole line; it outweighs the style of its parts
}

func (m *ui) newPen() *pen {
	p := &pen{theme: m.theme, glyphs: m.glyphs, width: m.width}
	p.out.Grow(m.height * (m.width + 64))
	return p
}

// line begins the next line.
func (p *pen) line() {
	if p.lines > 0 {
		p.out.WriteByte('\n')
	}
	p.lines++
	p.left, p.base = p.width, plainStyle
}

// put writes text, cut to what is left of the line.
func (p *pen) put(st style, text string) {
	text, width := p.fit(text, p.left)
	p.left -= width
	p.write(st, text)
}

// gap writes n spaces.
func (p *pen) gap(n int) {
	n = min(n, p.left)
	p.left -= n
	p.write(plainStyle, spaces(n))
}

// cell writes text into a field of a table, cut or filled to its width.
func (p *pen) cell(st style, text string, width int, right bool) {
	text, used := p.fit(text, width)
	pad := width - used
	if right {
		p.gap(pad)
	}
	p.put(st, text)
	if !right {
		p.gap(pad)
	}
}

// fill writes spaces up to a distance from the end of the line.
func (p *pen) fill(distance int) { p.gap(p.left - distance) }

func (p *pen) write(st style, text string) {
	if text == "" {
		return
	}
	if p.base == selectedStyle {
		st = plainStyle
	}
	begin := p.theme[p.base] + p.theme[st]
	if begin == "" {
		p.out.WriteString(text)
		return
	}
	p.out.WriteString(begin)
	p.out.WriteString(text)
	p.out.WriteString(reset)
}

// fit cuts text to a width, and returns the width that it takes.
func (p *pen) fit(text string, width int) (string, int) {
	if width <= 0 {
		return "", 0
	}
	used := cells(text)
	if used <= width {
		return text, used
	}
	text = ansi.Truncate(text, width, p.glyphs.ellipsis)
	return text, cells(text)
}

// cells returns how many cells of the screen text takes.
func cells(text string) int {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return ansi.StringWidth(text)
		}
	}
	return len(text)
}

const manySpaces = "                                                                "

func spaces(n int) string {
	if n <= 0 {
		return ""
	}
	if n <= len(manySpaces) {
		return manySpaces[:n]
	}
	return strings.Repeat(" ", n)
}

// wrap breaks text into lines of at most width cells, at spaces.
func wrap(text string, width int) []string {
	if width <= 0 {
		return nil
	}
	return strings.Split(ansi.Wrap(text, width, ""), "\n")
}
