package filter

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/tcpwatch/tcpwatch/internal/suggest"
)

// maxNodes and maxLength bound an expression: far more than a person writes.
const (
	maxNodes  = 1000
	maxLength = 16 << 10
)

// Expression is a compiled FILTER. It is not safe for concurrent use.
type Expression struct {
	program *vm.Program
	vm      vm.VM
	fields  Fields
	// asksProcess: it names what only a look at the process tells.
	asksProcess bool
}

// Compile compiles a FILTER expression: a yes-or-no question over Fields, with
// two functions: cidr(address, "10.0.0.0/8"), and duration("1m30s") in ns. Its
// errors are one line, and suggest a field where a name is not one.
func Compile(source string) (*Expression, error) {
	if len(source) > maxLength {
		return nil, fmt.Errorf("parse filter: %d bytes, want at most %d", len(source), maxLength)
	}
	program, err := expr.Compile(source,
		expr.Env(Fields{}),
		expr.AsBool(),
		expr.MaxNodes(maxNodes),
		expr.DisableBuiltin("duration"),
		expr.DisableBuiltin("now"), // the clock of a filter is the stream's
		expr.Function("cidr", cidr, func(string, string) bool { return false }),
		expr.Function("duration", duration, func(string) int { return 0 }),
	)
	if err != nil {
		return nil, fmt.Errorf("parse filter: %s", explain(err))
	}
	return &Expression{program: program, asksProcess: processFields.MatchString(source)}, nil
}

// processFields may also occur in a text: then a process is looked at in vain.
var processFields = regexp.MustCompile(`\b(container|unit|cmdline)\b`)

func (x *Expression) run() bool {
	out, err := x.vm.Run(x.program, x.fields)
	if err != nil {
		return false // a question that has no answer for this line, such as a bad address
	}
	yes, _ := out.(bool)
	return yes
}

func cidr(args ...any) (any, error) {
	prefix, err := ParsePrefix(args[1].(string))
	if err != nil {
		return false, err
	}
	a, err := netip.ParseAddr(args[0].(string))
	if err != nil {
		return false, nil
	}
	return prefix.Contains(a.Unmap()), nil
}

func duration(args ...any) (any, error) {
	d, err := time.ParseDuration(args[0].(string))
	return int(d), err
}

var unknownName = regexp.MustCompile(`unknown name (\w+)|has no field (\w+)`)

// explain puts an error of the expression library into one line.
func explain(err error) string {
	text := err.Error()
	if f, ok := err.(*file.Error); ok {
		text = fmt.Sprintf("%s (at character %d)", f.Message, f.Column+1)
	}
	text, _, _ = strings.Cut(text, "\n")
	if m := unknownName.FindStringSubmatch(text); m != nil {
		near := suggest.Nearest(m[1], Names())
		if m[2] != "" {
			near = nearestPart(m[2])
		}
		if near != "" {
			return fmt.Sprintf("%s: did you mean %s?", text, near)
		}
		return text + ": see tcpwatch help filter"
	}
	return text
}

// nearestPart finds the field whose part after the dot a mistyped one means.
func nearestPart(word string) string {
	full := map[string]string{}
	var parts []string
	for _, name := range Names() {
		if _, part, ok := strings.Cut(name, "."); ok && full[part] == "" {
			full[part] = name
			parts = append(parts, part)
		}
	}
	return full[suggest.Nearest(word, parts)]
}

// Names lists every field by its full name, sorted as Fields declares them.
func Names() []string { return names(reflect.TypeFor[Fields](), "") }

func names(t reflect.Type, prefix string) (all []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := prefix + f.Tag.Get("expr")
		if f.Type.Kind() == reflect.Struct {
			all = append(all, names(f.Type, name+".")...)
			continue
		}
		all = append(all, name)
	}
	return all
}
