package tui

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/tcpwatch/tcpwatch/internal/track"
)

func TestFilterIsSearchOverWhatIsSeen(t *testing.T) {
	cases := map[string][]uint64{
		"NGINX":              {4, 2, 3, 1},
		"nginx listen":       {1},
		"10.0.0.9:5432":      {8, 11, 5},
		"close_wait":         {5},
		"held":               {8},
		"abnormal":           {8, 11},
		"reset_by_peer":      {8, 11},
		"2001:db8":           {3},
		"[kernel]":           {7},
		"~812":               {4},
		"  ":                 {8, 11, 4, 5, 12, 2, 3, 6, 7, 1, 9},
		"no such thing here": {},
	}
	for text, want := range cases {
		m, _ := open(t, 120, 30, nil)
		press(m, "/")
		enter(m, text)
		if got := ids(m); !slices.Equal(got, want) {
			t.Errorf("filter %q: %v, want %v", text, got, want)
		}
		press(m, "esc")
		if got := ids(m); len(got) != 11 {
			t.Errorf("filter %q: %d rows after esc", text, len(got))
		}
	}
}

func compile(text string) (func(*track.Row) bool, error) {
	var port uint16
	if _, err := fmt.Sscanf(text, "rport == %d", &port); err != nil {
		return nil, errors.New("unexpected token \x1b[31m EOF (1:9)\n | rport ==\n | ........^")
	}
	return func(r *track.Row) bool { return r.Rport == port }, nil
}

// What the program was started for limits the table, with and without a filter.
func TestOnlyWhatWasAskedFor(t *testing.T) {
	m, _ := open(t, 120, 30, func(o *Options) {
		o.Only = func(r *track.Row) bool { return r.Rport == 5432 }
	})
	if got, want := ids(m), []uint64{8, 11, 5}; !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	press(m, "/")
	enter(m, "close_wait")
	if got, want := ids(m), []uint64{5}; !slices.Equal(got, want) {
		t.Errorf("filtered %v, want %v", got, want)
	}
	press(m, "esc")
	if got, want := ids(m), []uint64{8, 11, 5}; !slices.Equal(got, want) {
		t.Errorf("rows %v after esc, want %v", got, want)
	}
}

func TestFilterIsExpression(t *testing.T) {
	m, _ := open(t, 120, 30, func(o *Options) { o.Compile = compile })
	press(m, "/")
	enter(m, "443")
	if len(ids(m)) != 5 {
		t.Errorf("plain text: %v", ids(m))
	}
	press(m, "ctrl+u")
	enter(m, "rport == 5432")
	want := []uint64{8, 11, 5}
	if got := ids(m); !slices.Equal(got, want) {
		t.Errorf("expression: %v, want %v", got, want)
	}
	enter(m, ")(")
	press(m, "ctrl+w")
	enter(m, "x")
	wantText(t, m, "unexpected token", `\x1b[31m`)
	wantNoText(t, m, "....^")
	if got := ids(m); !slices.Equal(got, want) {
		t.Errorf("a text that does not compile must leave the filter: %v, want %v", got, want)
	}
	press(m, "enter")
	if m.prompt == nil {
		t.Error("a text that does not compile was accepted")
	}
	press(m, "esc")
	if m.prompt != nil || len(ids(m)) != 11 {
		t.Error("esc does not go back to the filter before")
	}
}

func TestInitialFilter(t *testing.T) {
	m, _ := open(t, 120, 30, func(o *Options) { o.Compile, o.Filter = compile, "rport == 5432" })
	if got := ids(m); !slices.Equal(got, []uint64{8, 11, 5}) {
		t.Errorf("rows %v", got)
	}
	wantText(t, m, "[/rport == 5432]")
	press(m, "esc")
	if got := ids(m); len(got) != 11 {
		t.Errorf("%d rows after esc", len(got))
	}
	_, err := newUI(t.Context(), Options{Feed: newFeed(1), Compile: compile, Filter: "=="})
	if err == nil {
		t.Error("a wrong initial filter is no error")
	}
}

func TestPromptEdits(t *testing.T) {
	m, _ := open(t, 120, 30, nil)
	press(m, "/")
	enter(m, "abc de")
	press(m, "left", "left", "backspace", "home", "delete", "right")
	enter(m, "X")
	press(m, "end")
	enter(m, "Y")
	if got := string(m.prompt.text); got != "bXcdeY" {
		t.Errorf("text %q", got)
	}
	if c := m.View().Cursor; c == nil || c.X != 1+6 || c.Y != 29 {
		t.Errorf("cursor %+v", c)
	}
	m.Update(tea.PasteMsg{Content: "p\x1b[2J\n\u202eq"})
	if got := string(m.prompt.text); got != "bXcdeYp[2Jq" {
		t.Errorf("pasted text %q", got)
	}
	press(m, "ctrl+u", "enter")
	if m.View().Cursor != nil {
		t.Error("the cursor stays after the prompt")
	}
}
