package alert

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Export writes the rules of which it is said what they are in PromQL as a rules
// file of Prometheus, and the others as comments.
func Export(w io.Writer, rules []Rule) error {
	b := bufio.NewWriter(w)
	b.WriteString("# Rules for Prometheus, over the metrics of tcpwatch agent. A rule here sees a host,\n# where that of tcpwatch sees processes and destinations.\n")
	var groups []string // each once, as Prometheus wants them
	for i := range rules {
		switch r := &rules[i]; {
		case r.Prometheus == "":
			fmt.Fprintf(b, "# %s: no metric tells it; only tcpwatch does.\n", r.Name)
		case !slices.Contains(groups, r.Group):
			groups = append(groups, r.Group)
		}
	}
	if len(groups) == 0 {
		b.WriteString("groups: []\n")
	} else {
		b.WriteString("groups:\n")
	}
	for _, group := range groups {
		fmt.Fprintf(b, "  - name: %s\n    rules:\n", quote("tcpwatch-"+group))
		for i := range rules {
			if r := &rules[i]; r.Group == group && r.Prometheus != "" {
				r.export(b)
			}
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	return nil
}

func (r *Rule) export(b *bufio.Writer) {
	if r.clear != nil {
		fmt.Fprintf(b, "      # Prometheus has no clear: %s\n", strings.Join(strings.Fields(r.Clear), " "))
	}
	fmt.Fprintf(b, "      - alert: %s\n        expr: %s\n", r.Name, quote(strings.Join(strings.Fields(r.Prometheus), " ")))
	if r.For > 0 {
		fmt.Fprintf(b, "        for: %s\n", FormatDuration(r.For))
	}
	if r.KeepFiringFor > 0 {
		fmt.Fprintf(b, "        keep_firing_for: %s\n", FormatDuration(r.KeepFiringFor))
	}
	exportMap(b, "labels", r.Labels)
	exportMap(b, "annotations", r.sayingNoLabel())
}

// sayingNoLabel are the annotations that hold for a host, too: Prometheus has not
// the labels of a process.
func (r *Rule) sayingNoLabel() map[string]string {
	some := maps.Clone(r.Annotations)
	maps.DeleteFunc(some, func(_, text string) bool {
		return strings.Contains(text, "labels") || strings.Contains(text, "Labels") || strings.Contains(text, "value") || strings.Contains(text, "Value")
	})
	return some
}

func exportMap(b *bufio.Writer, name string, texts map[string]string) {
	if len(texts) == 0 {
		return
	}
	fmt.Fprintf(b, "        %s:\n", name)
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		fmt.Fprintf(b, "          %s: %s\n", quote(key), quote(texts[key]))
	}
}

// quote writes a text so that YAML reads it as it is: a JSON string is one.
func quote(s string) string {
	if ruleName.MatchString(s) && !slices.Contains(reserved, strings.ToLower(s)) {
		return s
	}
	if !strings.ContainsAny(s, "'\n\r\t\x00") && strconv.Quote(s) == `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)+`"` {
		return "'" + s + "'"
	}
	return strconv.QuoteToASCII(s)
}

// reserved are the words that YAML does not read as texts.
var reserved = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
