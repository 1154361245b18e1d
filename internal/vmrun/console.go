package vmrun

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// consoleLines bounds what is kept of the kernel's messages.
const consoleLines = 1000

// console keeps the kernel's last messages.
type console struct {
	mu      sync.Mutex
	lines   []string
	partial []byte
	echo    io.Writer // nil: nowhere
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partial = append(c.partial, p...)
	for {
		line, rest, ok := bytes.Cut(c.partial, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		c.partial = rest
		c.add(strings.TrimRight(string(line), "\r"))
	}
}

func (c *console) add(line string) {
	c.lines = append(c.lines, line)
	if len(c.lines) > 2*consoleLines {
		c.lines = append([]string(nil), c.lines[consoleLines:]...)
	}
	if c.echo != nil {
		fmt.Fprintln(c.echo, "console:", printable(line))
	}
}

// tail returns the last lines, the unfinished one too.
func (c *console) tail(n int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := append([]string(nil), c.lines...)
	if len(c.partial) > 0 {
		lines = append(lines, string(c.partial))
	}
	return lines[max(0, len(lines)-n):]
}

// troubles are what the kernel says when something is wrong with it.
var troubles = []string{
	"BUG: ", "WARNING: ", "Oops", "Kernel panic", "general protection", "double fault",
	"invalid opcode", "stack segment", "blocked for more than", "self-detected stall", "detected stalls",
}

// trouble returns the messages from the first that tells of trouble on.
func (c *console) trouble() []string {
	lines := c.tail(consoleLines)
	for i, line := range lines {
		for _, t := range troubles {
			if strings.Contains(line, t) {
				return lines[i:]
			}
		}
	}
	return nil
}

// printable replaces what a terminal might act upon.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
