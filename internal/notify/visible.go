package notify

import (
	"maps"
	"slices"
	"strings"

	"github.com/tcpwatch/tcpwatch/internal/alert"
	"github.com/tcpwatch/tcpwatch/internal/printable"
)

// visible makes text safe to show, and leaves alone what was made so before:
// escaping twice would say something else.
func visible(s string) string {
	bare := strings.ReplaceAll(s, `\`, "")
	if printable.String(bare) == bare && len(s) <= printable.Max {
		return s
	}
	return printable.String(s)
}

// clean is a copy of an alert with all its text visible.
func clean(a *alert.Alert) alert.Alert {
	c := *a
	c.Rule = visible(a.Rule)
	c.Labels, c.Annotations = cleanMap(a.Labels), cleanMap(a.Annotations)
	c.Top = slices.Clone(a.Top)
	for i := range c.Top {
		h := &c.Top[i]
		h.Comm, h.Example, h.History = visible(h.Comm), visible(h.Example), visible(h.History)
	}
	return c
}

func cleanMap(m map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	c := make(map[string]string, len(m))
	for name, value := range m {
		c[visible(name)] = visible(value)
	}
	return c
}

// sortedNames are the names of labels or annotations.
func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
