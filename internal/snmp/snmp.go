// Package snmp reads the counters that the kernel keeps of TCP for each network
// namespace, and only for each: which socket was meant, it does not say.
package snmp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/tcpwatch/tcpwatch/events"
)

// maxFile bounds the file, in bytes: Linux 6.18 writes 4,200.
const maxFile = 64 << 10

// Read returns the counters of the calling thread's network namespace.
func Read() (events.Counters, error) {
	f, err := os.Open("/proc/thread-self/net/netstat") // of the thread: /proc/net is the process's
	if err != nil {
		return events.Counters{}, fmt.Errorf("read counters: %w", err)
	}
	defer f.Close()
	return Parse(f)
}

// Parse reads the form of /proc/net/netstat: for each group a line of names and
// a line of numbers, both begun by the group's name and a colon. What it does
// not know it passes over.
func Parse(r io.Reader) (events.Counters, error) {
	var c events.Counters
	lines := bufio.NewScanner(io.LimitReader(r, maxFile))
	lines.Buffer(nil, maxFile+1)
	for lines.Scan() {
		group, head, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			return c, fmt.Errorf("parse counters: no group in %.40q", lines.Text())
		}
		if !lines.Scan() {
			break
		}
		numbers, ok := strings.CutPrefix(lines.Text(), group+":")
		if !ok {
			return c, fmt.Errorf("parse counters: no numbers of %.40q", group)
		}
		if group != "TcpExt" {
			continue
		}
		err := read(&c, strings.Fields(head), strings.Fields(numbers))
		return c, err
	}
	if err := lines.Err(); err != nil {
		return c, fmt.Errorf("read counters: %w", err)
	}
	return c, errors.New("parse counters: no group TcpExt")
}

func read(c *events.Counters, head, numbers []string) error {
	if len(head) != len(numbers) {
		return fmt.Errorf("parse counters: %d names and %d numbers", len(head), len(numbers))
	}
	for i, name := range head {
		for n := range events.NumCounters {
			if n.Kernel() != name {
				continue
			}
			value, err := strconv.ParseUint(numbers[i], 10, 64)
			if err != nil {
				return fmt.Errorf("parse counter %s: %w", name, err)
			}
			c.Set(n, value)
		}
	}
	return nil
}
