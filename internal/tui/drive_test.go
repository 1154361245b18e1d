package tui

import (
	"reflect"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// look has the program take one snapshot.
func look(m *ui) { settle(m, m.refresh()) }

// settle carries out commands that look at the table, until none is left. It
// leaves out the ones that wait.
func settle(m *ui, cmd tea.Cmd) {
	for _, c := range flatten(cmd) {
		msg := c()
		if _, ok := msg.(*answer); ok {
			settle(m, m.receiveNow(msg.(*answer)))
		} else if msg != nil {
			_, next := m.Update(msg)
			settle(m, next)
		}
	}
}

// receiveNow takes an answer over, without the wait for the next one.
func (m *ui) receiveNow(a *answer) tea.Cmd {
	refresh := m.options.Refresh
	m.options.Refresh = 1 // ns
	defer func() { m.options.Refresh = refresh }()
	return m.receive(a)
}

// flatten opens batches; it drops the tick for the next snapshot.
func flatten(cmd tea.Cmd) []tea.Cmd {
	if cmd == nil {
		return nil
	}
	msg := cmd()
	if v := reflect.ValueOf(msg); v.IsValid() && v.Kind() == reflect.Slice {
		var list []tea.Cmd
		for _, c := range msg.(tea.BatchMsg) {
			list = append(list, flatten(c)...)
		}
		return list
	}
	if _, ok := msg.(refreshMsg); ok || msg == nil {
		return nil
	}
	return []tea.Cmd{func() tea.Msg { return msg }}
}

// names of keys that are not one character.
var named = map[string]tea.Key{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
	"left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight}, "backspace": {Code: tea.KeyBackspace}, "delete": {Code: tea.KeyDelete},
	"f1": {Code: tea.KeyF1}, "space": {Code: tea.KeySpace, Text: " "},
	"shift+up": {Code: tea.KeyUp, Mod: tea.ModShift}, "shift+down": {Code: tea.KeyDown, Mod: tea.ModShift},
}

func keyOf(name string) tea.Key {
	if k, ok := named[name]; ok {
		return k
	}
	if letter, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.Key{Code: rune(letter[0]), Mod: tea.ModCtrl}
	}
	return tea.Key{Code: []rune(name)[0], Text: name}
}

// press presses keys, one after the other, and carries out what they ask for.
func press(m *ui, keys ...string) {
	for _, name := range keys {
		_, cmd := m.Update(tea.KeyPressMsg(keyOf(name)))
		settle(m, cmd)
	}
}

// enter types text, a key a character.
func enter(m *ui, text string) {
	for _, r := range text {
		if r == ' ' {
			press(m, "space")
			continue
		}
		press(m, string(r))
	}
}

func frame(m *ui) string { return m.View().Content }

// plain is the frame without colours.
func plain(m *ui) string { return ansi.Strip(frame(m)) }

func lineWith(t *testing.T, m *ui, text string) string {
	t.Helper()
	for _, line := range strings.Split(plain(m), "\n") {
		if strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("no line with %q in\n%s", text, plain(m))
	return ""
}

func wantText(t *testing.T, m *ui, text ...string) {
	t.Helper()
	got := plain(m)
	for _, s := range text {
		if !strings.Contains(got, s) {
			t.Errorf("no %q in\n%s", s, got)
		}
	}
}

func wantNoText(t *testing.T, m *ui, text ...string) {
	t.Helper()
	got := plain(m)
	for _, s := range text {
		if strings.Contains(got, s) {
			t.Errorf("%q in\n%s", s, got)
		}
	}
}

// checkSize fails unless the frame fits its size exactly.
func checkSize(t *testing.T, m *ui) {
	t.Helper()
	lines := strings.Split(plain(m), "\n")
	if len(lines) != m.height {
		t.Errorf("%dx%d: %d lines", m.width, m.height, len(lines))
	}
	for _, line := range lines {
		if ansi.StringWidth(line) > m.width {
			t.Errorf("%dx%d: too wide: %q", m.width, m.height, line)
		}
	}
}
