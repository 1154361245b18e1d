package tui

import (
	"bytes"
	"strings"
	"sync"
	"unicode"

	"github.com/tcpwatch/tcpwatch/internal/track"
)

// filter chooses rows: by an expression, or by words that must all be
// somewhere in the row. A nil filter lets every row pass.
type filter struct {
	text  string // as typed
	words [][]byte
	mu    sync.Mutex // a compiled expression need not bear two callers
	test  func(*track.Row) bool
}

// newFilter reads a filter as it was typed.
func newFilter(text string, compile func(string) (func(*track.Row) bool, error)) (*filter, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	f := &filter{text: text}
	if compile != nil && isExpression(text) {
		test, err := compile(text)
		f.test = test
		return f, err
	}
	for _, word := range strings.Fields(strings.ToLower(text)) {
		f.words = append(f.words, []byte(word))
	}
	return f, nil
}

// isExpression reports whether text is meant for the expression language: it
// has an operator, a quote, or a word that is one.
func isExpression(text string) bool {
	if strings.ContainsAny(text, "\"'`=<>!()&|?") {
		return true
	}
	for _, word := range strings.Fields(text) {
		switch word {
		case "and", "or", "not", "in", "contains", "matches", "startsWith", "endsWith":
			return true
		}
	}
	return false
}

// String returns the filter as it was typed.
func (f *filter) String() string {
	if f == nil {
		return ""
	}
	return f.text
}

// lock lets one goroutine match, and returns the function that lets the next.
func (f *filter) lock() (unlock func()) {
	if f == nil {
		return func() {}
	}
	f.mu.Lock()
	return f.mu.Unlock
}

// match reports whether the row passes. The view lends its clock and a buffer.
func (f *filter) match(r *track.Row, v *view) bool {
	if f == nil {
		return true
	}
	if f.test != nil {
		return f.test(r)
	}
	v.text = appendSearchable(v.text[:0], r, v.now)
	for _, word := range f.words {
		if !bytes.Contains(v.text, word) {
			return false
		}
	}
	return true
}

// appendSearchable appends everything that can be seen of a row, in lower
// case, one thing a line.
func appendSearchable(b []byte, r *track.Row, now uint64) []byte {
	start := len(b)
	for i := range columns {
		if columns[i].search != nil {
			b = append(columns[i].search(b, r, now), '\n')
		}
	}
	return lower(b, start)
}

// lower turns b[start:] to lower case, in place where it is ASCII.
func lower(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		switch c := b[i]; {
		case c >= 'A' && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c >= 0x80:
			return append(b[:i], bytes.Map(unicode.ToLower, bytes.Clone(b[i:]))...)
		}
	}
	return b
}
