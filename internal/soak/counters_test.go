package soak

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// counters are the kernel's of TCP, by nstat's names without their group.
type counters map[string]int

// countersOf reads those of a namespace. The product's reader is not used: it is
// what is tested.
func countersOf(t *testing.T, ns *kerneltest.Netns) counters {
	t.Helper()
	all := counters{}
	var err error
	ns.Do(func() {
		for _, file := range []string{"snmp", "netstat"} {
			err = errors.Join(err, all.readFile("/proc/thread-self/net/"+file))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (c counters) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	defer f.Close()
	return c.read(f)
}

// read reads pairs of lines: a group with names, and the same with numbers.
func (c counters) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		names := strings.Fields(lines.Text())
		if !lines.Scan() {
			return errors.New("read counters: names without numbers")
		}
		numbers := strings.Fields(lines.Text())
		if len(names) == 0 || len(names) != len(numbers) || names[0] != numbers[0] {
			return fmt.Errorf("read counters: %d names and %d numbers", len(names), len(numbers))
		}
		if names[0] != "Tcp:" && names[0] != "TcpExt:" {
			continue
		}
		for i := 1; i < len(names); i++ {
			n, err := strconv.Atoi(numbers[i])
			if err != nil {
				return fmt.Errorf("read counter %s: %w", names[i], err)
			}
			c[names[i]] = n
		}
	}
	return lines.Err()
}

// since returns what was counted after before.
func (c counters) since(before counters) counters {
	d := counters{}
	for name, n := range c {
		d[name] = n - before[name]
	}
	return d
}

func TestReadCounters(t *testing.T) {
	const text = "Ip: Forwarding\nIp: 1\nTcp: MaxConn ActiveOpens\nTcp: -1 7\n"
	c := counters{}
	if err := c.read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if len(c) != 2 || c["MaxConn"] != -1 || c["ActiveOpens"] != 7 {
		t.Errorf("read %v", c)
	}
	for _, bad := range []string{"Tcp: A\n", "Tcp: A\nTcp: 1 2\n", "Tcp: A\nTcp: x\n", "Tcp: A\nIp: 1\n"} {
		if err := (counters{}).read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read without an error", bad)
		}
	}
}
