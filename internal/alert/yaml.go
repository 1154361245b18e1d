package alert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tcpwatch/tcpwatch/internal/suggest"
)

// maxFile bounds a rules file, in bytes; maxDepth how deep its lists and mappings
// lie in each other.
const (
	maxFile  = 1 << 20
	maxDepth = 16
)

// Mistake is an error in a file, and where in it.
type Mistake struct {
	File         string
	Line, Column int // from 1; Line is 0 where it is the whole file
	Err          error
}

func (m *Mistake) Error() string {
	if m.Line == 0 {
		return fmt.Sprintf("%s: %v", m.File, m.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", m.File, m.Line, m.Column, m.Err)
}

func (m *Mistake) Unwrap() error { return m.Err }

// Document is a YAML file that is being read: it collects the mistakes, so that one
// run shows them all.
type Document struct {
	file     string
	mistakes []error
}

// maxMistakes is how many mistakes of one file are told.
const maxMistakes = 20

// NewDocument returns one that has no mistake yet, and what is at its top.
func NewDocument(file string, text []byte) (*Document, *yaml.Node) {
	d := &Document{file: file}
	if len(text) > maxFile {
		d.add(0, 0, "%d bytes, want at most %d: split the file", len(text), maxFile)
		return d, nil
	}
	loader := yaml.NewDecoder(bytes.NewReader(text))
	var root, second yaml.Node
	if err := loader.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		d.syntax(err)
		return d, nil
	}
	if err := loader.Decode(&second); !errors.Is(err, io.EOF) {
		d.add(max(1, second.Line), max(1, second.Column), "more than one document: make it several files")
		return d, nil
	}
	if len(root.Content) != 1 || !d.plain(root.Content[0], maxDepth) {
		return d, nil
	}
	return d, root.Content[0]
}

// plain reports whether there is nothing that makes a small file large, or that a
// reader has to look up elsewhere: no anchors, no aliases, no merge keys.
func (d *Document) plain(n *yaml.Node, depth int) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.At(n, "anchors and aliases are not taken: write it out")
		return false
	case depth == 0:
		d.At(n, "more than %d levels deep", maxDepth)
		return false
	}
	return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !d.plain(c, depth-1) })
}

var position = regexp.MustCompile(`line (\d+)(?:, column (\d+))?:? *`)

// syntax notes an error of the YAML library, which has the place in its text.
func (d *Document) syntax(err error) {
	text, line, column := strings.TrimPrefix(err.Error(), "yaml: "), 1, 1
	if m := position.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		if n, err := strconv.Atoi(m[2]); err == nil {
			column = n
		}
		text = strings.Replace(text, m[0], "", 1)
	}
	text, _, _ = strings.Cut(text, "\n")
	d.add(line, column, "%s", text)
}

// At notes a mistake at a node.
func (d *Document) At(n *yaml.Node, format string, args ...any) {
	d.add(n.Line, n.Column, format, args...)
}

func (d *Document) add(line, column int, format string, args ...any) {
	if len(d.mistakes) < maxMistakes {
		d.mistakes = append(d.mistakes, &Mistake{d.file, line, column, fmt.Errorf(format, args...)})
	}
}

// Err returns the mistakes, one a line, or nil.
func (d *Document) Err() error { return errors.Join(d.mistakes...) }

// Mapping hands the value of each key to its reader. A key that has none, or that
// comes twice, is a mistake.
func (d *Document) Mapping(n *yaml.Node, readers map[string]func(*yaml.Node)) {
	d.Pairs(n, func(key, value *yaml.Node) {
		read := readers[key.Value]
		if read != nil {
			read(value)
			return
		}
		var known []string
		for name := range readers {
			known = append(known, name)
		}
		slices.Sort(known)
		if near := suggest.Nearest(key.Value, known); near != "" {
			d.At(key, "unknown key %q: did you mean %s?", key.Value, near)
			return
		}
		d.At(key, "unknown key %q: want one of %s", key.Value, strings.Join(known, ", "))
	})
}

// Pairs hands on each key with its value, in the order of the file.
func (d *Document) Pairs(n *yaml.Node, yield func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.At(n, "want keys and values, not %s", kindName(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.At(key, "want a name before the colon")
		case seen[key.Value]:
			d.At(key, "%q is there twice", key.Value)
		default:
			seen[key.Value] = true
			yield(key, value)
		}
	}
}

// Items hands on each item of a list.
func (d *Document) Items(n *yaml.Node, yield func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		d.At(n, "want a list, not %s", kindName(n))
		return
	}
	for _, item := range n.Content {
		yield(item)
	}
}

// Text reads a text, or a number as it is written.
func (d *Document) Text(n *yaml.Node, to *string) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.At(n, "want a text, not %s", kindName(n))
		return
	}
	*to = n.Value
}

// Texts reads a list of texts.
func (d *Document) Texts(n *yaml.Node, to *[]string) {
	d.Items(n, func(item *yaml.Node) {
		var s string
		d.Text(item, &s)
		*to = append(*to, s)
	})
}

// TextMap reads a mapping of texts.
func (d *Document) TextMap(n *yaml.Node, to map[string]string) {
	d.Pairs(n, func(key, value *yaml.Node) {
		var s string
		d.Text(value, &s)
		to[key.Value] = s
	})
}

// Bool reads true or false.
func (d *Document) Bool(n *yaml.Node, to *bool) {
	if n.Tag != "!!bool" {
		d.At(n, "want true or false, not %s", kindName(n))
		return
	}
	*to = strings.EqualFold(n.Value, "true")
}

// Number reads a whole number of at least least.
func (d *Document) Number(n *yaml.Node, least, most int, to *int) {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < least || v > most {
		d.At(n, "want a whole number from %d to %d, not %s", least, most, kindName(n))
		return
	}
	*to = v
}

func kindName(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return strconv.Quote(n.Value)
}
