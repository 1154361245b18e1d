package snmp

import (
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

func TestCountSockets(t *testing.T) {
	for text, want := range map[string]string{
		"sockets: used 8\nTCP: inuse 0 orphan 3 tw 0 alloc 9 mem 1\nUDP: inuse 4 mem 0\n": "none",
		"TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 0\n":                                      "some",
		"TCP: inuse 0 orphan 0 tw 7 alloc 1 mem 0\n":                                      "some",
		"TCP6: inuse 0\nUDP6: inuse 2\n":                                                  "none",
		"TCP6: inuse 2\n":                                                                 "some",
		"TCP: inuse many tw 0":                                                            "parsing",
		"UDP: inuse 4 mem 0\n":                                                            "no line of TCP",
		"":                                                                                "no line of TCP",
		"TCP: inuse\nTCP6: tw ":                                                           "no line of TCP",
	} {
		some, err := countSockets(strings.NewReader(text))
		got := map[bool]string{true: "some", false: "none"}[some]
		if err != nil {
			got = err.Error()
			if !some {
				t.Errorf("%q: none, and yet %v", text, err)
			}
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// Each kind of socket that a walk shows counts, and none is left in the end.
func TestAnySocket(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := kerneltest.NewNetns(t)
	check := func(want bool, when string) {
		t.Helper()
		ns.Do(func() {
			if some, err := AnySocket(); err != nil || some != want {
				t.Errorf("%s: %v, %v; want %v", when, some, err, want)
			}
		})
	}
	check(false, "a new namespace")
	for _, family := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
		ns.Do(func() {
			l := kerneltest.Listen(t, family)
			check(true, "a listener")
			_ = l.Close()
			check(false, "its listener closed")
		})
	}
	ns.Do(func() {
		client, server := kerneltest.Pair(t, kerneltest.IPv6)
		check(true, "a connection")
		_ = client.Close()
		_ = server.Close()
	})
	check(true, "TIME_WAIT")
}
