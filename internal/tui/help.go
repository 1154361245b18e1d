package tui

import (
	"github.com/tcpwatch/tcpwatch/model"
)

// drawHelp fills lines of the screen with the help.
func (m *ui) drawHelp(p *pen, lines int) {
	text := m.helpText()
	top := min(m.helpTop, max(len(text)-lines, 0))
	for i := range lines {
		p.line()
		if top+i < len(text) {
			p.gap(1)
			drawRuns(p, text[top+i])
		}
	}
}

// signsWidth is what the right half of the help needs.
const signsWidth = 54

// helpText is written from the tables that the program runs by.
func (m *ui) helpText() [][]run {
	keys, signs := m.helpKeys(), m.helpSigns()
	widest := 0
	for _, line := range keys {
		widest = max(widest, runsWidth(line))
	}
	if widest+3+signsWidth > m.width {
		return append(append(keys, nil), signs...)
	}
	return beside(keys, signs, widest+3)
}

func (m *ui) helpKeys() [][]run {
	text := [][]run{{{boldStyle, "KEYS"}}}
	for i := range m.tableKeys {
		text = append(text, helpKey(&m.tableKeys[i]))
	}
	text = append(text, nil, []run{{boldStyle, "WHILE A FILTER IS TYPED"}})
	for i := range m.promptKeys {
		text = append(text, helpKey(&m.promptKeys[i]))
	}
	return text
}

func helpKey(b *binding) []run {
	return []run{{brandStyle, left(b.name, 12)}, {plainStyle, " " + b.help}}
}

// signs are what the help says of verdicts.
var signs = [...]struct {
	verdict model.Verdict
	text    string
}{
	{model.Normal, "normal: documented, the ordinary course"},
	{model.Notable, "notable: documented, worth a look"},
	{model.Abnormal, "abnormal: documented as an error path"},
	{model.Impossible, "impossible: not in the model of TCP"},
	{model.Unjudged, "unjudged: too little was seen to say"},
}

func (m *ui) helpSigns() [][]run {
	g := m.glyphs
	sign := func(st style, mark, text string) []run {
		return []run{{st, left(mark, 12)}, {plainStyle, " " + text}}
	}
	text := [][]run{{{boldStyle, "SIGNS"}}}
	for _, s := range signs {
		text = append(text, sign(verdictStyle(s.verdict), g.verdict(s.verdict), s.text))
	}
	text = append(text,
		sign(plainStyle, "12/nginx", "owner: seen to act on it, or holds it"),
		sign(dimStyle, string(markInherited)+"12/nginx", "owner of the listener; not yet its own"),
		sign(dimStyle, ownerUnknown, "owner, role: not known"),
		sign(dimStyle, ownerKernel, "a socket of the kernel's own"),
		sign(dimStyle, g.atLeast+"5.0s", "at least: the beginning was not seen"),
		sign(noteStyle, "CLOSE held", "ended, and still held by somebody"),
		nil, []run{{boldStyle, "SORTED BY"}})
	for i := range columns {
		title := columns[i].title
		if title == "" {
			title = g.verdict(model.Normal)
		}
		mark := plainStyle
		if i == m.asked.sort {
			mark = brandStyle
			title += " " + m.direction()
		}
		text = append(text, sign(mark, title, columns[i].long))
	}
	return text
}

func runsWidth(line []run) int {
	n := 0
	for _, r := range line {
		n += cells(r.text)
	}
	return n
}

// beside puts two texts side by side, the second one at a distance.
func beside(a, b [][]run, distance int) [][]run {
	text := make([][]run, max(len(a), len(b)))
	copy(text, a)
	for i, line := range b {
		gap := run{plainStyle, spaces(distance - runsWidth(text[i]))}
		text[i] = append(append(text[i], gap), line...)
	}
	return text
}
