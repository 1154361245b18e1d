package main

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// The exit codes of the public contract.
const (
	exitOK          = 0
	exitFound       = 1 // check: something was not in order
	exitUsage       = 2
	exitCannotWatch = 3
	exitUnproven    = 4 // check: events were lost
	exitCommand     = 5 // check: the command itself failed
)

// exitError carries the exit code that an error asks for.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usagef is an error of the user's: exit code 2.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// withCode gives err an exit code if it has none.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	return &exitError{code, err}
}

// exitCode reports err on stderr, and returns the code to exit with. A reader
// that went away (| head) is a quiet end.
func exitCode(stderr io.Writer, err error) int {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return exitOK
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(stderr, "tcpwatch: %v\n", err)
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitUsage // cobra's own: unknown commands and flags
}
