package alert

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/tcpwatch/tcpwatch/internal/filter"
	"github.com/tcpwatch/tcpwatch/internal/suggest"
)

// Rule says when there is an alert. Rules come from Parse. One Engine may use them.
type Rule struct {
	Group, Name   string
	File          string
	Line          int
	Disabled      bool   // enabled: false, which turns off a rule of that name read before
	On            string // what it looks at: see Subjects
	Where         string // which events or rows
	Expr          string // when there is an alert
	Clear         string // when there is none any more; empty: when expr does not hold
	By            []string
	Window        time.Duration
	For           time.Duration
	KeepFiringFor time.Duration
	Limit         Limit
	Labels        map[string]string
	Annotations   map[string]string
	Prometheus    string // the PromQL that comes nearest, for Export

	subject   *subject
	guard     guard          // of events
	event     *filter.Filter // of events: where
	row       *condition     // of inventories: where; nil for all
	expr      *condition
	clear     *condition // nil if there is none
	value     string     // the number that the rule is about
	templates map[string]*template.Template
}

// Limit is how many alerts of one rule may begin to be told within a time.
type Limit struct {
	Per   time.Duration
	Burst int // 0: any number
}

// DefaultWindow is over how long a rule counts that does not say it.
const DefaultWindow = time.Minute

// What bounds a file and a rule.
const (
	maxRules = 256
	maxTexts = 32 // labels, annotations
	maxBurst = 1000
	maxBy    = 8
)

var ruleName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,99}$`)

// Parse reads a rules file. Its error has a line for each mistake, with the place.
func Parse(file string, text []byte) ([]Rule, error) {
	d, root := NewDocument(file, text)
	var rules []Rule
	if root != nil {
		d.Mapping(root, map[string]func(*yaml.Node){
			"groups": func(n *yaml.Node) { d.Items(n, func(g *yaml.Node) { d.group(g, &rules) }) },
		})
		if len(rules) == 0 && d.Err() == nil {
			d.At(root, "no rule: want groups, and in each rules")
		}
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return rules, nil
}

func (d *Document) group(n *yaml.Node, rules *[]Rule) {
	name := ""
	first := len(*rules)
	d.Mapping(n, map[string]func(*yaml.Node){
		"name": func(n *yaml.Node) { d.Text(n, &name) },
		"rules": func(n *yaml.Node) {
			d.Items(n, func(item *yaml.Node) {
				if len(*rules) == maxRules {
					d.At(item, "more than %d rules in one file", maxRules)
					return
				}
				r := d.rule(item)
				if slices.ContainsFunc(*rules, func(o Rule) bool { return o.Name == r.Name && r.Name != "" }) {
					d.At(item, "there is a rule %s already", r.Name)
				}
				*rules = append(*rules, r)
			})
		},
	})
	if name == "" {
		d.At(n, "the group has no name")
	}
	for i := first; i < len(*rules); i++ {
		(*rules)[i].Group = name
	}
}

// places are the nodes of a rule that a mistake may be in.
type places map[string]*yaml.Node

func (d *Document) rule(n *yaml.Node) Rule {
	r := Rule{
		File: d.file, Line: n.Line, Window: DefaultWindow, Labels: map[string]string{}, Annotations: map[string]string{},
	}
	enabled := true
	at := places{"": n}
	text := func(key string, to *string) func(*yaml.Node) {
		return func(n *yaml.Node) { at[key] = n; d.Text(n, to) }
	}
	d.Mapping(n, map[string]func(*yaml.Node){
		"alert":           text("alert", &r.Name),
		"on":              text("on", &r.On),
		"where":           text("where", &r.Where),
		"expr":            text("expr", &r.Expr),
		"clear":           text("clear", &r.Clear),
		"prometheus":      text("prometheus", &r.Prometheus),
		"enabled":         func(n *yaml.Node) { d.Bool(n, &enabled) },
		"by":              func(n *yaml.Node) { at["by"] = n; d.Texts(n, &r.By) },
		"window":          func(n *yaml.Node) { d.Duration(n, time.Second, &r.Window) },
		"for":             func(n *yaml.Node) { d.Duration(n, 0, &r.For) },
		"keep_firing_for": func(n *yaml.Node) { d.Duration(n, 0, &r.KeepFiringFor) },
		"limit":           func(n *yaml.Node) { d.limit(n, &r.Limit) },
		"labels":          func(n *yaml.Node) { at["labels"] = n; d.TextMap(n, r.Labels) },
		"annotations":     func(n *yaml.Node) { at["annotations"] = n; d.TextMap(n, r.Annotations) },
	})
	r.Disabled = !enabled
	if !ruleName.MatchString(r.Name) {
		d.At(at.of("alert"), "alert: want a name of letters, digits and _, not %q", r.Name)
		return r
	}
	if !r.Disabled {
		d.compile(&r, at)
	}
	return r
}

func (p places) of(key string) *yaml.Node {
	if n := p[key]; n != nil {
		return n
	}
	return p[""]
}

func (d *Document) limit(n *yaml.Node, l *Limit) {
	d.Mapping(n, map[string]func(*yaml.Node){
		"per":   func(n *yaml.Node) { d.Duration(n, time.Second, &l.Per) },
		"burst": func(n *yaml.Node) { d.Number(n, 1, maxBurst, &l.Burst) },
	})
	if l.Per == 0 || l.Burst == 0 {
		d.At(n, "limit: want both per (a duration) and burst (a number)")
	}
}

// compile makes the rule ready for an Engine.
func (d *Document) compile(r *Rule, at places) {
	r.subject = subjectNamed(r.On)
	if r.subject == nil {
		names := subjectNames()
		hint := "want one of " + strings.Join(names, ", ")
		if near := suggest.Nearest(r.On, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		d.At(at.of("on"), "on: %q is nothing that a rule looks at: %s", r.On, hint)
		return
	}
	d.compileWhere(r, at.of("where"))
	d.compileBy(r, at.of("by"))
	if r.Expr == "" && r.subject.ofEvents() {
		r.Expr = "count > 0"
	}
	if strings.TrimSpace(r.Expr) == "" {
		d.At(at[""], "%s has no expr", r.Name)
		return
	}
	r.value = valueOf(r.Expr, r.subject)
	r.expr = d.condition(r.Expr, r.subject, at.of("expr"), 0)
	if clear := strings.TrimSpace(r.Clear); clear != "" {
		added := 0
		if strings.ContainsRune("<>=!", rune(clear[0])) { // of the number that the rule is about
			added = len(r.value) + 1
			clear = r.value + " " + clear
		}
		r.Clear = clear
		r.clear = d.condition(clear, r.subject, at.of("clear"), added)
	}
	d.compileTexts(r, at)
}

// condition compiles a question about rows; added is how many characters there are
// before it that are not in the file.
func (d *Document) condition(source string, s *subject, n *yaml.Node, added int) *condition {
	c, err := compileCondition(source, s)
	if err != nil {
		d.inside(n, err, added)
	}
	return c
}

// inside notes a mistake in an expression, at its character where that can be told.
func (d *Document) inside(n *yaml.Node, err error, added int) {
	text, character := place(err)
	line, column := n.Line, n.Column
	if character > added && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		column += character - added - 1
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			column++
		}
	}
	d.add(line, column, "%s", text)
}

func (d *Document) compileWhere(r *Rule, n *yaml.Node) {
	switch {
	case r.On == selfSubject && r.Where != "":
		d.At(n, "where: there is only one watch")
	case r.subject.ofEvents():
		r.guard = anything
		var err error
		if r.Where != "" {
			r.guard, err = guardOf(r.Where)
		}
		if err == nil {
			r.event, err = filter.New(filter.Flags{}, r.Where, nil)
		}
		if err != nil {
			d.inside(n, err, 0)
		}
	case r.Where != "":
		r.row = d.condition(r.Where, r.subject, n, 0)
	}
}

func (d *Document) compileBy(r *Rule, n *yaml.Node) {
	if r.On == netnsSubject && len(r.By) == 0 {
		r.By = []string{"netns"} // counters of several cannot be added up
	}
	known := r.subject.groups()
	for i, name := range r.By {
		switch {
		case !slices.Contains(known, name):
			d.At(n, "by: a rule on %s does not know %q: want of %s", r.On, name, strings.Join(known, ", "))
		case slices.Contains(r.By[:i], name):
			d.At(n, "by: %s is there twice", name)
		}
	}
	if len(r.By) > maxBy {
		d.At(n, "by: %d names, want at most %d", len(r.By), maxBy)
	}
}

func (d *Document) compileTexts(r *Rule, at places) {
	if len(r.Labels) > maxTexts || len(r.Annotations) > maxTexts {
		d.At(at[""], "more than %d labels or annotations", maxTexts)
		return
	}
	labels := maps.Clone(r.Labels)
	for _, name := range r.By {
		labels[name] = "x"
	}
	for name, value := range r.Labels {
		if !ruleName.MatchString(name) || name == "alertname" {
			d.At(at.of("labels"), "labels: %q cannot be the name of a label", name)
		}
		if bounded(value) != value {
			d.At(at.of("labels"), "labels: %s is longer than %d bytes", name, maxLabel)
		}
	}
	r.templates = map[string]*template.Template{}
	for _, name := range slices.Sorted(maps.Keys(r.Annotations)) {
		t, err := compileTemplate(r.Annotations[name], labels)
		if err != nil {
			d.At(at.of("annotations"), "annotations: %s: %w", name, err)
			continue
		}
		r.templates[name] = t
	}
}

// Merge puts rules together: one of a name that there is already takes its place,
// and a disabled one takes it away.
func Merge(sets ...[]Rule) (all []Rule) {
	for _, set := range sets {
		for _, r := range set {
			i := slices.IndexFunc(all, func(o Rule) bool { return o.Name == r.Name })
			switch {
			case i >= 0:
				all[i] = r
			default:
				all = append(all, r)
			}
		}
	}
	return slices.DeleteFunc(all, func(r Rule) bool { return r.Disabled })
}

// String names the rule and where it comes from.
func (r *Rule) String() string { return fmt.Sprintf("%s (%s:%d)", r.Name, r.File, r.Line) }
