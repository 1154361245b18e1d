package tui

import (
	"slices"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// prompt is a filter that is being typed. It takes effect with every key.
type prompt struct {
	text   []rune
	cursor int
	before *filter // to go back to
	err    string  // why text is no filter, safe to print
}

// mostTyped bounds the text: a paste can be anything.
const mostTyped = 1000

func (m *ui) openPrompt() tea.Cmd {
	m.help = false
	m.prompt = &prompt{before: m.asked.filter}
	m.prompt.insert(m.asked.filter.String())
	return nil
}

// editing returns the action that changes the text.
func editing(change func(*prompt)) func(*ui) tea.Cmd {
	return func(m *ui) tea.Cmd { return m.edit(change) }
}

// edit changes the text, and filters by it if it is a filter; if not, the
// filter before stays.
func (m *ui) edit(change func(*prompt)) tea.Cmd {
	p := m.prompt
	old := string(p.text)
	change(p)
	if string(p.text) == old {
		return nil
	}
	f, err := newFilter(string(p.text), m.options.Compile)
	if err != nil {
		m.fail(err)
		p.err, m.message = m.message, ""
		return nil
	}
	p.err = ""
	m.asked.filter = f
	return m.rearrange()
}

func (m *ui) acceptPrompt() tea.Cmd {
	if m.prompt.err != "" {
		return nil // it says why
	}
	m.prompt = nil
	return nil
}

func (m *ui) cancelPrompt() tea.Cmd {
	m.asked.filter = m.prompt.before
	m.prompt = nil
	return m.rearrange()
}

// insert adds what can be seen of s at the cursor.
func (p *prompt) insert(s string) {
	for _, r := range s {
		if unicode.IsPrint(r) && len(p.text) < mostTyped {
			p.text = slices.Insert(p.text, p.cursor, r)
			p.cursor++
		}
	}
}

func (p *prompt) left()  { p.cursor = max(p.cursor-1, 0) }
func (p *prompt) right() { p.cursor = min(p.cursor+1, len(p.text)) }
func (p *prompt) home()  { p.cursor = 0 }
func (p *prompt) end()   { p.cursor = len(p.text) }
func (p *prompt) clear() { p.text, p.cursor = nil, 0 }

func (p *prompt) backspace() {
	if p.cursor > 0 {
		p.cursor--
		p.del()
	}
}

func (p *prompt) del() {
	if p.cursor < len(p.text) {
		p.text = slices.Delete(p.text, p.cursor, p.cursor+1)
	}
}

func (p *prompt) deleteWord() {
	for p.cursor > 0 && p.text[p.cursor-1] == ' ' {
		p.backspace()
	}
	for p.cursor > 0 && p.text[p.cursor-1] != ' ' {
		p.backspace()
	}
}

// window returns the part of the text that fits into width, and where in it
// the cursor is.
func (p *prompt) window(width int) (text string, cursor int) {
	from := 0
	for from < p.cursor && cells(string(p.text[from:p.cursor])) >= width {
		from++
	}
	return string(p.text[from:]), cells(string(p.text[from:p.cursor]))
}
