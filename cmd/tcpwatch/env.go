package main

import (
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// env is what a command may know of the process it runs in. Tests make their
// own.
type env struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	now    func() time.Time
	// terminal reports whether w is a terminal, and its width in columns.
	terminal func(w io.Writer) (width int, ok bool)
}

func hostEnv() *env {
	return &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv,
		now:    time.Now,
		terminal: func(w io.Writer) (int, bool) {
			f, ok := w.(*os.File)
			if !ok || !term.IsTerminal(int(f.Fd())) {
				return 0, false
			}
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 {
				width = 80
			}
			return width, true
		},
	}
}

// utf8 reports whether the locale has more than ASCII, as setlocale decides it.
func (e *env) utf8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(e.getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}
