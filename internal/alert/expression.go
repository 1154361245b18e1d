package alert

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/tcpwatch/tcpwatch/internal/suggest"
)

// What bounds an expression of a rule: far more than a person writes. There are no
// loops in it, so that its nodes bound its time, too.
const (
	maxNodes      = 300
	maxExpression = 4 << 10
)

// condition is a compiled expr, clear, or where of an inventory: a yes-or-no
// question about a row.
type condition struct {
	source  string
	program *vm.Program
}

// compileCondition compiles a question about a row of s.
func compileCondition(source string, s *subject) (*condition, error) {
	if _, err := parseExpression(source); err != nil {
		return nil, err
	}
	program, err := expr.Compile(source,
		expr.Env(s.env()),
		expr.AsBool(),
		expr.MaxNodes(maxNodes),
		expr.DisableBuiltin("duration"),
		expr.DisableBuiltin("now"), // the clock of a rule is the stream's
		expr.Function("duration", durationOf, func(string) float64 { return 0 }),
	)
	if err != nil {
		return nil, explain(err, s)
	}
	return &condition{source, program}, nil
}

func durationOf(args ...any) (any, error) {
	text := args[0].(string)
	d, err := ParseDuration(text)
	if err != nil {
		d, err = time.ParseDuration(text)
	}
	return float64(d), err
}

// holds asks of a row. A question without an answer is a no.
func (c *condition) holds(m *vm.VM, env map[string]any) bool {
	out, err := m.Run(c.program, env)
	yes, _ := out.(bool)
	return err == nil && yes
}

// parseExpression reads an expression, and sees that it is bounded.
func parseExpression(source string) (ast.Node, error) {
	if len(source) > maxExpression {
		return nil, fmt.Errorf("parse expression: %d bytes, want at most %d", len(source), maxExpression)
	}
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, explain(err, nil)
	}
	var v unbounded
	ast.Walk(&tree.Node, &v)
	if v.found != "" {
		return nil, fmt.Errorf("parse expression: a rule may not loop, nor make large things: no %s", v.found)
	}
	return tree.Node, nil
}

// mayCall are the functions of a rule: none makes more than it is given, and none
// runs a part of the expression again.
var mayCall = []string{
	"abs", "ceil", "cidr", "duration", "float", "floor", "hasPrefix", "hasSuffix", "indexOf", "int", "len", "lower", "max", "min", "round", "string",
	"trim", "trimPrefix", "trimSuffix", "upper",
}

// unbounded finds what costs more than its nodes tell.
type unbounded struct{ found string }

// Visit implements ast.Visitor.
func (v *unbounded) Visit(n *ast.Node) {
	name := ""
	switch n := (*n).(type) {
	case *ast.PredicateNode, *ast.PointerNode:
		v.found = cmp.Or(v.found, "predicate")
	case *ast.VariableDeclaratorNode:
		v.found = cmp.Or(v.found, "let")
	case *ast.BuiltinNode:
		name = n.Name
	case *ast.CallNode:
		name = "such call"
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			name = id.Value
		}
	}
	if name != "" && !slices.Contains(mayCall, name) {
		v.found = cmp.Or(v.found, name)
	}
}

// at is how an error says where in an expression it is.
var (
	at          = regexp.MustCompile(` \(at character (\d+)\)`)
	unknownName = regexp.MustCompile(`unknown name (\w+)`)
)

// explain puts an error of the expression library into one line.
func explain(err error, s *subject) error {
	text := err.Error()
	if f, ok := errors.AsType[*file.Error](err); ok {
		text = fmt.Sprintf("%s (at character %d)", f.Message, f.Column+1)
		if f.Line > 1 {
			text = f.Message
		}
	}
	text, _, _ = strings.Cut(text, "\n")
	if m := unknownName.FindStringSubmatch(text); m != nil && s != nil {
		var names []string
		for name := range s.env() {
			names = append(names, name)
		}
		slices.Sort(names)
		if near := suggest.Nearest(m[1], names); near != "" {
			return fmt.Errorf("parse expression: %s: did you mean %s?", text, near)
		}
		return fmt.Errorf("parse expression: %s: a rule on %s knows %s", text, s.name, strings.Join(names, ", "))
	}
	return fmt.Errorf("parse expression: %s", text)
}

// place takes the character that an error names out of its text.
func place(err error) (text string, character int) {
	text = err.Error()
	m := at.FindStringSubmatch(text)
	if m == nil {
		return text, 0
	}
	character, _ = strconv.Atoi(m[1])
	return strings.Replace(text, m[0], "", 1), character
}

// valueOf returns the first number that an expression names: what the rule is about.
func valueOf(source string, s *subject) string {
	node, err := parseExpression(source)
	if err != nil {
		return s.key
	}
	v := firstNumber{subject: s, from: len(source) + 1}
	ast.Walk(&node, &v)
	if v.name == "" {
		return s.key
	}
	return v.name
}

type firstNumber struct {
	subject *subject
	name    string
	from    int
}

// Visit implements ast.Visitor.
func (v *firstNumber) Visit(n *ast.Node) {
	id, ok := (*n).(*ast.IdentifierNode)
	if !ok || id.Location().From >= v.from {
		return
	}
	if slices.ContainsFunc(v.subject.fields, func(f field) bool { return f.name == id.Value && f.merge != mergeText }) {
		v.name, v.from = id.Value, id.Location().From
	}
}

// mentions reports whether an expression names something.
func mentions(source, name string) bool {
	node, err := parseExpression(source)
	if err != nil {
		return false
	}
	v := named{name: name}
	ast.Walk(&node, &v)
	return v.found
}

type named struct {
	name  string
	found bool
}

// Visit implements ast.Visitor.
func (v *named) Visit(n *ast.Node) {
	if id, ok := (*n).(*ast.IdentifierNode); ok && id.Value == v.name {
		v.found = true
	}
}
