package alert

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/printable"
)

// maxAnnotation bounds what an annotation becomes, in bytes.
const maxAnnotation = 1 << 10

// preamble names what a template of Prometheus has.
const preamble = `{{$labels := .Labels}}{{$value := .Value}}`

type templateData struct {
	Labels map[string]string
	Value  float64
}

// functions are those of Prometheus that make sense of our numbers.
var functions = template.FuncMap{
	"humanize":           humanize,
	"humanizePercentage": func(v float64) string { return fmt.Sprintf("%.4g%%", 100*v) },
	"humanizeDuration":   func(seconds float64) string { return time.Duration(seconds * 1e9).Round(time.Second).String() },
}

// humanize prints a number with the prefix of a power of 1000, as Prometheus does.
func humanize(v float64) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) < 1 {
		return fmt.Sprintf("%.4g", v)
	}
	prefix := ""
	for _, p := range []string{"k", "M", "G", "T"} {
		if math.Abs(v) < 1000 {
			break
		}
		prefix, v = p, v/1000
	}
	return fmt.Sprintf("%.4g%s", v, prefix)
}

// compileTemplate compiles an annotation, and tries it with the labels that the
// rule gives.
func compileTemplate(text string, labels map[string]string) (*template.Template, error) {
	t, err := template.New("").Funcs(functions).Option("missingkey=error").Parse(preamble + text)
	if err != nil {
		return nil, fmt.Errorf("parse template: %s", shorter(err))
	}
	if repeats(t.Root) {
		return nil, errors.New("parse template: a template may not loop: no range, template or block")
	}
	if _, err := fill(t, templateData{labels, 1}); err != nil {
		return nil, fmt.Errorf("fill template: %s (the labels are those of by and of labels)", shorter(err))
	}
	return t, nil
}

func shorter(err error) string {
	text := strings.TrimPrefix(err.Error(), "template: :1:")
	return strings.ReplaceAll(text, preamble, "")
}

// repeats reports whether a template has what could run without an end.
func repeats(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return false
		}
		for _, child := range n.Nodes {
			if repeats(child) {
				return true
			}
		}
	case *parse.IfNode:
		return repeats(n.List) || repeats(n.ElseList)
	case *parse.WithNode:
		return repeats(n.List) || repeats(n.ElseList)
	case *parse.RangeNode, *parse.TemplateNode:
		return true
	}
	return false
}

func fill(t *template.Template, data templateData) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", err
	}
	text := b.String()
	if len(text) > maxAnnotation {
		text = strings.ToValidUTF8(text[:maxAnnotation], "") + "…"
	}
	return printable.String(text), nil
}
