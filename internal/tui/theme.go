package tui

import (
	"strings"

	"github.com/tcpwatch/tcpwatch/model"
)

// style names how something looks; a theme says what that is.
type style uint8

const (
	plainStyle style = iota
	dimStyle
	boldStyle
	brandStyle
	noteStyle
	warnStyle
	alarmStyle
	headingStyle
	chipStyle
	selectedStyle
	numStyles
)

// theme holds the escape sequence that begins each style.
type theme [numStyles]string

// reset ends every style.
const reset = "\x1b[m"

// colourful uses the terminal's own sixteen colours, so that it fits whatever
// scheme it has. No two meanings differ by colour alone.
var colourful = theme{
	dimStyle:      "\x1b[2m",
	boldStyle:     "\x1b[1m",
	brandStyle:    "\x1b[1;36m",
	noteStyle:     "\x1b[36m",
	warnStyle:     "\x1b[1;33m",
	alarmStyle:    "\x1b[1;31m",
	headingStyle:  "\x1b[1;4m",
	chipStyle:     "\x1b[30;43m",
	selectedStyle: "\x1b[7m",
}

var colourless theme

func themeFor(colour bool) *theme {
	if colour {
		return &colourful
	}
	return &colourless
}

var verdictStyles = [...]style{
	model.Unjudged:   dimStyle,
	model.Normal:     dimStyle,
	model.Notable:    noteStyle,
	model.Abnormal:   warnStyle,
	model.Impossible: alarmStyle,
}

func verdictStyle(v model.Verdict) style {
	if int(v) < len(verdictStyles) {
		return verdictStyles[v]
	}
	return alarmStyle
}

// glyphs are the characters that not every locale can show.
type glyphs struct {
	verdicts  [model.Impossible + 1]string
	ellipsis  string
	atLeast   string
	selected  string
	arrow     string // between two addresses
	up, down  string // the direction of a sort
	rule      string // a horizontal line
	first     string // of a timeline
	middle    string
	last      string
	only      string
	more      string // something is left out
	separator string // between counts
	bars      []string
}

var unicodeGlyphs = glyphs{
	verdicts:  [...]string{"?", "✓", "●", "▲", "✗"},
	ellipsis:  "…",
	atLeast:   "≥",
	selected:  "▌",
	arrow:     "→",
	up:        "↑",
	down:      "↓",
	rule:      "─",
	first:     "┌",
	middle:    "├",
	last:      "└",
	only:      "─",
	more:      "┊",
	separator: " · ",
	bars:      []string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
}

var asciiGlyphs = glyphs{
	verdicts:  [...]string{"?", ".", "*", "!", "X"},
	ellipsis:  "~",
	atLeast:   ">",
	selected:  ">",
	arrow:     "->",
	up:        "^",
	down:      "v",
	rule:      "-",
	first:     "+",
	middle:    "|",
	last:      "+",
	only:      "-",
	more:      ":",
	separator: " | ",
	bars:      []string{" ", "_", ".", "-", "=", "+", "*", "%", "#"},
}

// glyphsFor chooses by the locale of an environment, as setlocale does.
func glyphsFor(environ []string) *glyphs {
	locale := ""
	for _, name := range []string{"LANG=", "LC_CTYPE=", "LC_ALL="} { // the last one that is set counts
		for _, variable := range environ {
			if value, ok := strings.CutPrefix(variable, name); ok && value != "" {
				locale = strings.ToLower(value)
			}
		}
	}
	if strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8") {
		return &unicodeGlyphs
	}
	return &asciiGlyphs
}

func (g *glyphs) verdict(v model.Verdict) string {
	if int(v) < len(g.verdicts) {
		return g.verdicts[v]
	}
	return g.verdicts[model.Impossible]
}

// fitEndpoint cuts the address of an endpoint so that its port remains.
func (g *glyphs) fitEndpoint(s string, width int) string {
	if len(s) <= width {
		return s
	}
	colon := strings.LastIndexByte(s, ':')
	keep := width - (len(s) - colon) - 1
	if colon < 0 || keep < 1 {
		return s
	}
	return s[:keep] + g.ellipsis + s[colon:]
}
