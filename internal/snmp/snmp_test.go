package snmp

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/events"
)

const sample = `TcpExt: SyncookiesSent New ListenOverflows ListenDrops
TcpExt: 7 9 12 18446744073709551615
IpExt: InNoRoutes
IpExt: 3
`

func TestParse(t *testing.T) {
	c, err := Parse(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[events.Counter]uint64{events.SyncookiesSent: 7, events.ListenOverflows: 12, events.ListenDrops: ^uint64(0)} {
		if got, ok := c.Get(n); !ok || got != want {
			t.Errorf("%s: %d, %v; want %d", n, got, ok, want)
		}
	}
	if n, ok := c.Get(events.TimeWait); ok {
		t.Errorf("tw: %d, though it is not there", n)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "no group TcpExt",
		"IpExt: A\nIpExt: 1\n":           "no group TcpExt",
		"TcpExt: A\n":                    "no group TcpExt",
		"TcpExt":                         "no group in",
		"TcpExt: A\nIpExt: 1\n":          "no numbers of",
		"TcpExt: A B\nTcpExt: 1\n":       "2 names and 1 numbers",
		"TcpExt: ListenDrops\nTcpExt: -": "parse counter ListenDrops",
		"TcpExt: " + strings.Repeat("ListenDrops ", maxFile) + "\nTcpExt: 1\n": "no group TcpExt",
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", text, err, want)
		}
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestReadError(t *testing.T) {
	if _, err := Parse(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("%v, want the reader's error", err)
	}
}

// The running kernel has every counter.
func TestRead(t *testing.T) {
	c, err := Read()
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("no /proc: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for n := range events.NumCounters {
		if _, ok := c.Get(n); !ok {
			t.Errorf("no %s", n.Kernel())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("TcpExt: TW TW\nTcpExt: 1 2")
	f.Add("TcpExt:\nTcpExt:\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(strings.NewReader(text))
		if err != nil && (strings.Contains(err.Error(), "\n") || len(err.Error()) > 400) {
			t.Errorf("%q: want one short line", err)
		}
		_, _ = c.Get(events.ListenDrops)
	})
}
