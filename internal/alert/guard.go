package alert

import (
	"fmt"

	"github.com/expr-lang/expr/ast"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// guard is what an event must be for a rule's `where` to hold, as far as it can be
// asked by comparing numbers. It is read off the expression: of `to == "CLOSE" and
// verdict in [...] and ...` each part that compares one of a few fields to texts.
// Most events of a busy host fail it, and then no expression is evaluated.
type guard struct {
	from, to stateSet
	verdicts uint8
	reasons  uint32 // model.CloseReason
	kinds    uint32 // events.Kind
}

// stateSet has a bit for each state; the last is for numbers that are no state.
type stateSet uint16

const (
	stateSlots   = 16
	unknownState = stateSlots - 1
)

func slotOf(s model.State) int {
	if s < model.NumStates {
		return int(s)
	}
	return unknownState
}

// anything lets every event pass.
var anything = guard{from: ^stateSet(0), to: ^stateSet(0), verdicts: ^uint8(0), reasons: ^uint32(0), kinds: ^uint32(0)}

// passes reports whether a rule has to look at o. It allocates nothing.
func (g *guard) passes(o *track.Observation) bool {
	ev := &o.Event
	if g.kinds&(1<<ev.Kind) == 0 || g.to&(1<<slotOf(ev.To)) == 0 || g.verdicts&(1<<o.Judgement.Verdict) == 0 {
		return false
	}
	switch {
	case ev.Kind == events.Transition:
		return g.from&(1<<slotOf(ev.From)) != 0
	case ev.Kind == events.Closed && o.Socket != nil:
		return g.reasons&(1<<o.Socket.End.Reason) != 0
	}
	return true
}

// guardOf reads the guard off a `where`. A text that its field can never be is a
// mistake.
func guardOf(where string) (guard, error) {
	g := anything
	node, err := parseExpression(where)
	if err != nil {
		return g, err
	}
	return g, g.narrow(node)
}

func (g *guard) narrow(n ast.Node) error {
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return nil
	}
	switch b.Operator {
	case "and", "&&":
		if err := g.narrow(b.Left); err != nil {
			return err
		}
		return g.narrow(b.Right)
	case "==", "in":
		name, texts := comparison(b)
		return g.only(name, texts)
	}
	return nil
}

// comparison returns the field that is compared to texts, "" if it is not so simple.
func comparison(b *ast.BinaryNode) (name string, texts []string) {
	left, right := b.Left, b.Right
	if _, ok := left.(*ast.StringNode); ok && b.Operator == "==" {
		left, right = right, left
	}
	id, ok := left.(*ast.IdentifierNode)
	if !ok {
		return "", nil
	}
	switch r := right.(type) {
	case *ast.StringNode:
		if b.Operator == "==" {
			return id.Value, []string{r.Value}
		}
	case *ast.ArrayNode:
		for _, item := range r.Nodes {
			s, ok := item.(*ast.StringNode)
			if !ok {
				return "", nil
			}
			texts = append(texts, s.Value)
		}
		return id.Value, texts
	}
	return "", nil
}

// only takes away what name is not.
func (g *guard) only(name string, texts []string) error {
	var set uint32
	for _, text := range texts {
		bit, ok := bitOf(name, text)
		if !ok {
			return fmt.Errorf("parse expression: %s is never %q: see tcpwatch explain", name, text)
		}
		set |= bit
	}
	switch name {
	case "from":
		g.from &= stateSet(set)
	case "to", "state":
		g.to &= stateSet(set)
	case "verdict":
		g.verdicts &= uint8(set)
	case "close_reason":
		g.reasons &= set
	case "direction":
		g.kinds &= set
	}
	return nil
}

// bitOf returns the bit that stands for a value of a field, 0 for the fields that a
// guard does not ask about.
func bitOf(name, text string) (bit uint32, ok bool) {
	switch name {
	case "from", "to", "state":
		for _, s := range model.States() {
			if s.String() == text {
				return 1 << slotOf(s), true
			}
		}
		var number int
		_, err := fmt.Sscanf(text, "unknown(%d)", &number)
		return 1 << unknownState, err == nil
	case "verdict":
		v, ok := model.ParseVerdict(text)
		return 1 << v, ok
	case "close_reason":
		r, ok := model.ParseCloseReason(text)
		return 1 << r, ok
	case "direction":
		switch text {
		case "sent":
			return 1 << events.ResetSent, true
		case "received":
			return 1 << events.ResetReceived, true
		}
		return 0, false
	}
	return 0, true
}
