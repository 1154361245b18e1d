package e2e

import (
	"bytes"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

// ssSocket is a socket as ss shows it.
type ssSocket struct {
	state         string // ESTAB, TIME-WAIT, …
	local, remote netip.AddrPort
}

// ssSockets returns what ss -tane shows of a namespace: each socket, with its
// cookie.
func ssSockets(t *testing.T, ns *kerneltest.Netns) map[ssSocket]string {
	t.Helper()
	var out []byte
	var err error
	ns.Do(func() { out, err = exec.Command("ss", "-taneH").Output() })
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	sockets := map[ssSocket]string{}
	cookie := regexp.MustCompile(`\bsk:([0-9a-f]+)`)
	for row := range bytes.Lines(out) {
		f := strings.Fields(string(row))
		if len(f) < 5 {
			t.Fatalf("ss: %s", row)
		}
		s := ssSocket{f[0], ssEndpoint(t, f[3], f[4]), ssEndpoint(t, f[4], f[3])}
		c := ""
		if m := cookie.FindSubmatch(row); m != nil {
			c = string(m[1])
		}
		sockets[s] = c
	}
	return sockets
}

// ssEndpoint parses an address of ss: 127.0.0.1:80, [::1]:80, and of listeners
// 0.0.0.0:*, [::]:* and *:80, which is [::]:80.
func ssEndpoint(t *testing.T, s, other string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(s, "]")
	if port == "" {
		i := strings.LastIndexByte(s, ':')
		host, port = s[:i], s[i:]
	}
	host, port = strings.TrimPrefix(host, "["), strings.TrimPrefix(port, ":")
	host, _, _ = strings.Cut(host, "%")
	if host == "*" {
		host = "::"
	}
	if port == "*" {
		port = "0"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	a, err := netip.ParseAddrPort(host + ":" + port)
	if err != nil {
		t.Fatalf("ss: %s and %s: %v", s, other, err)
	}
	return a
}

// ssNames are the names that ss has for states.
var ssNames = map[string]string{
	"ESTABLISHED": "ESTAB", "SYN_SENT": "SYN-SENT", "SYN_RECV": "SYN-RECV", "NEW_SYN_RECV": "SYN-RECV",
	"FIN_WAIT1": "FIN-WAIT-1", "FIN_WAIT2": "FIN-WAIT-2", "TIME_WAIT": "TIME-WAIT", "CLOSE_WAIT": "CLOSE-WAIT",
	"LAST_ACK": "LAST-ACK", "LISTEN": "LISTEN", "CLOSING": "CLOSING", "CLOSE": "UNCONN",
}

// asSS returns a found socket as ss would show it.
func asSS(l *line) ssSocket {
	state := l.State
	if l.Substate != "" {
		state = l.Substate
	}
	return ssSocket{ssNames[state], l.local(), l.remote()}
}
