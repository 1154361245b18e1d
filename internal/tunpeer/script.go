package tunpeer

import (
	"fmt"
	"strings"
	"time"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// Bounds of a script.
const (
	maxScript = 64 << 10 // bytes
	maxSteps  = 1000
)

// Script is what the peer and the kernel's side of one connection do. The
// package comment describes the language.
type Script struct {
	Name string
	// Paths are what the script declares: the states that each of the kernel's
	// sockets goes through, with > between, in the order in which they first move.
	Paths []string
	// Declares tells no path from path none.
	Declares bool

	steps []step
}

// step is one line.
type step struct {
	line   int // from 1
	text   string
	action action
}

// action is what a step does. Its error says what was wrong, not where.
type action interface {
	run(c *Conn) error
}

// actionFunc is an action that is only a function.
type actionFunc func(c *Conn) error

func (f actionFunc) run(c *Conn) error { return f(c) }

// Parse reads a script. The name is for errors, which also tell the line.
func Parse(name, text string) (*Script, error) {
	if len(text) > maxScript {
		return nil, fmt.Errorf("parse %s: %d bytes, at most %d", name, len(text), maxScript)
	}
	s := &Script{Name: name}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := s.parseLine(n, strings.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("parse %s:%d: %w", name, n, err)
		}
	}
	return s, nil
}

// parseLine adds the step of a line, if there is one.
func (s *Script) parseLine(n int, line string) error {
	w, err := words(line)
	if err != nil || len(w) == 0 {
		return err
	}
	if w[0] == "path" {
		return s.parsePath(w[1:])
	}
	if len(s.steps) == maxSteps {
		return fmt.Errorf("more than %d steps", maxSteps)
	}
	a, err := parseAction(w[0], w[1:])
	if err != nil {
		return fmt.Errorf("%s: %w", w[0], err)
	}
	s.steps = append(s.steps, step{n, line, a})
	return nil
}

// parsePath takes a declaration.
func (s *Script) parsePath(names []string) error {
	s.Declares = true
	if len(names) == 1 && names[0] == "none" {
		return nil
	}
	if len(names) < 2 {
		return fmt.Errorf("path: want two states at least, or none")
	}
	for _, name := range names {
		if err := checkState(name); err != nil {
			return fmt.Errorf("path: %w", err)
		}
	}
	s.Paths = append(s.Paths, strings.Join(names, ">"))
	return nil
}

// checkState returns an error unless the kernel has a state of this name.
func checkState(name string) error {
	for n := range uint64(12) {
		if kerneltest.StateName(n+1) == name {
			return nil
		}
	}
	return fmt.Errorf("state %q: want one of the kernel's names, as FIN_WAIT1", name)
}

// parseAction reads the step that begins with verb.
func parseAction(verb string, args []string) (action, error) {
	switch verb {
	case "syn":
		return parseSYN(args)
	case "synack":
		return parseSend(SYN|ACK, args)
	case "ack":
		return parseSend(ACK, args)
	case "send":
		return parseData(args)
	case "fin":
		return parseSend(FIN|ACK, args)
	case "rst":
		return parseSend(RST, args)
	case "segment":
		return parseAnySegment(args)
	case "icmp":
		return parseICMP(args)
	case "expect":
		return parseExpect(args)
	case "kernel":
		return parseKernel(args)
	}
	return parseSimple(verb, args)
}

// parseSimple reads the steps that have one argument.
func parseSimple(verb string, args []string) (action, error) {
	parse := map[string]func(string) (action, error){
		"silence": parseSilence, "wait": parseWait, "state": parseState, "iss": parseISS,
	}[verb]
	if parse == nil {
		return nil, fmt.Errorf("unknown step")
	}
	if len(args) != 1 {
		return nil, fmt.Errorf("want one argument, got %d", len(args))
	}
	return parse(args[0])
}

func parseWait(arg string) (action, error) {
	d, err := parseDuration(arg)
	return actionFunc(func(*Conn) error { time.Sleep(d); return nil }), err
}

func parseState(arg string) (action, error) {
	return actionFunc(func(c *Conn) error { return c.endpoint.awaitState(arg) }), checkState(arg)
}

func parseISS(arg string) (action, error) {
	n, err := parseUint(arg, 32)
	return actionFunc(func(c *Conn) error { c.tcb = newTCB(n); return nil }), err
}

// Run does what the script says. The error names the script and the line, and
// shows the segments seen so far.
func (c *Conn) Run(s *Script) error {
	for _, step := range s.steps {
		if err := step.action.run(c); err != nil {
			return fmt.Errorf("%s:%d: %s: %w\n%s", s.Name, step.line, step.text, err, c.Trace())
		}
	}
	return nil
}
