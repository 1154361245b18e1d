package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"
)

// binding is one thing that keys do. The tables of bindings are all there is:
// they handle the keys, fill the footer and write the help.
type binding struct {
	keys  []string // as tea.Key spells them
	name  string   // as the help spells them
	help  string
	short string // for the footer; empty: not there
	where place  // of the footer
	do    func(*ui) tea.Cmd
}

// place says when the footer names a key.
type place uint8

const (
	ifRoom place = iota
	always
	inside // a history or the help is open, or a filter is on
)

// tableKeys are the keys of the table and of an open history.
var tableKeys = [...]binding{
	{[]string{"up", "k"}, "up k", "one socket up", "", ifRoom, by(-1)},
	{[]string{"down", "j"}, "down j", "one socket down", "", ifRoom, by(1)},
	{[]string{"pgup", "ctrl+b"}, "pgup ^B", "a page up", "", ifRoom, pages(-1)},
	{[]string{"pgdown", "ctrl+f", "space"}, "pgdn ^F spc", "a page down", "", ifRoom, pages(1)},
	{[]string{"home", "g"}, "home g", "to the top, and stay there", "", ifRoom, (*ui).toTop},
	{[]string{"end", "G"}, "end G", "to the end", "", ifRoom, (*ui).toEnd},
	{[]string{"enter"}, "enter", "open or close the history of the socket", "history", ifRoom, (*ui).togglePane},
	{[]string{"J", "shift+down", "ctrl+d"}, "J ^D", "scroll the history down", "", ifRoom, scrollPane(1)},
	{[]string{"K", "shift+up", "ctrl+u"}, "K ^U", "scroll the history up", "", ifRoom, scrollPane(-1)},
	{[]string{"/"}, "/", "filter: words to find, or an expression", "filter", ifRoom, (*ui).openPrompt},
	{[]string{"s", ">"}, "s >", "sort by the next column", "sort", ifRoom, sortBy(1)},
	{[]string{"<"}, "<", "sort by the column before", "", ifRoom, sortBy(-1)},
	{[]string{"S"}, "S", "reverse the order", "", ifRoom, (*ui).reverse},
	{[]string{"c"}, "c", "all closed sockets, or only the newest", "closed", ifRoom, (*ui).toggleClosed},
	{[]string{"a"}, "a", "only abnormal or worse, open and closed", "abnormal", ifRoom, (*ui).toggleAbnormal},
	{[]string{"p"}, "p", "hold the table still; counting goes on", "pause", ifRoom, (*ui).togglePause},
	{[]string{"esc"}, "esc", "back: close the history, drop the filter", "back", inside, (*ui).back},
	{[]string{"?", "f1"}, "? F1", "this help", "help", always, (*ui).toggleHelp},
	{[]string{"ctrl+z"}, "^Z", "suspend", "", ifRoom, func(*ui) tea.Cmd { return tea.Suspend }},
	{[]string{"q", "ctrl+c"}, "q ^C", "quit", "quit", always, quit},
}

// promptKeys are the keys while a filter is typed; every other key is text.
var promptKeys = [...]binding{
	{[]string{"enter"}, "enter", "keep the filter", "keep", always, (*ui).acceptPrompt},
	{[]string{"esc"}, "esc", "go back to the filter before", "cancel", always, (*ui).cancelPrompt},
	{[]string{"left"}, "left", "one character left", "", ifRoom, editing((*prompt).left)},
	{[]string{"right"}, "right", "one character right", "", ifRoom, editing((*prompt).right)},
	{[]string{"home", "ctrl+a"}, "home ^A", "to the beginning", "", ifRoom, editing((*prompt).home)},
	{[]string{"end", "ctrl+e"}, "end ^E", "to the end", "", ifRoom, editing((*prompt).end)},
	{[]string{"backspace", "ctrl+h"}, "bksp", "delete backwards", "", ifRoom, editing((*prompt).backspace)},
	{[]string{"delete"}, "del", "delete forwards", "", ifRoom, editing((*prompt).del)},
	{[]string{"ctrl+w"}, "^W", "delete a word", "", ifRoom, editing((*prompt).deleteWord)},
	{[]string{"ctrl+u"}, "^U", "delete all", "", ifRoom, editing((*prompt).clear)},
	{[]string{"ctrl+c"}, "^C", "quit", "", ifRoom, quit},
}

func quit(*ui) tea.Cmd { return tea.Quit }

// press handles a key.
func (m *ui) press(key tea.Key) tea.Cmd {
	name := key.String()
	m.message = ""
	if m.prompt != nil {
		if b := find(promptKeys[:], name); b != nil {
			return b.do(m)
		}
		if key.Text != "" {
			return m.edit(func(p *prompt) { p.insert(key.Text) })
		}
		return nil
	}
	if b := find(tableKeys[:], name); b != nil {
		return b.do(m)
	}
	return nil
}

func find(table []binding, key string) *binding {
	for i := range table {
		if slices.Contains(table[i].keys, key) {
			return &table[i]
		}
	}
	return nil
}
