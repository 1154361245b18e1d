package snmp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// AnySocket reports whether the calling thread's network namespace has a TCP socket
// that is bound to a port and in use, or a mini-socket: it has no other without one,
// as a request is a listener's. A walk of the sockets takes as long for a namespace
// with none as for all others together.
func AnySocket() (bool, error) {
	for _, name := range [...]string{"sockstat", "sockstat6"} {
		any, err := anySocketIn("/proc/thread-self/net/" + name)
		switch {
		case errors.Is(err, os.ErrNotExist) && name == "sockstat6": // a kernel without IPv6
		case err != nil:
			return true, err
		case any:
			return true, nil
		}
	}
	return false, nil
}

func anySocketIn(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return true, fmt.Errorf("count sockets: %w", err)
	}
	defer f.Close()
	return countSockets(f)
}

// countSockets reads the form of /proc/net/sockstat and sockstat6, and reports
// whether a number of sockets of TCP that are in a hash table is not 0. Those that
// are only allocated are counted for all namespaces together.
func countSockets(r io.Reader) (bool, error) {
	found := false
	lines := bufio.NewScanner(io.LimitReader(r, maxFile))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) == 0 || f[0] != "TCP:" && f[0] != "TCP6:" {
			continue
		}
		for i := 1; i+1 < len(f); i += 2 {
			if f[i] != "inuse" && f[i] != "tw" {
				continue
			}
			n, err := strconv.ParseInt(f[i+1], 10, 64)
			if err != nil {
				return true, fmt.Errorf("count sockets: %w", err)
			}
			if n != 0 {
				return true, nil
			}
			found = true
		}
	}
	if err := lines.Err(); err != nil {
		return true, fmt.Errorf("count sockets: %w", err)
	}
	if !found {
		return true, errors.New("count sockets: no line of TCP")
	}
	return false, nil
}
