package tunpeer

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	s, err := Parse("x", `
# a comment
path CLOSE LISTEN
  path LISTEN SYN_RECV ESTABLISHED
syn mss=1460 wscale=14 sackok ts=1:2 opt=fe03aa win=0   # and another
syn again
synack seq=4294967295 ack=-2147483648 "text"
ack noack urg=7 badsum
send "# no comment, \"quoted\"\x00"
fin seq=+1 ts=5
rst ack
segment FIN,SYN,RST,PSH,ACK,URG,ECE,CWR "x"
segment none
expect synack seq=+0 ack=-1 win=1 len=2 mss=3 ack again "xy"
expect rst noack
silence 50ms
wait 1m
state NEW_SYN_RECV
iss 4294967295
icmp unreachable admin seq=-5
icmp unreachable net
kernel listen
kernel read "a b"
kernel read eof
kernel read ECONNRESET
kernel sysctl net.ipv4.tcp_rfc1337 1
kernel setsockopt TCP_LINGER2 -1`)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"CLOSE>LISTEN", "LISTEN>SYN_RECV>ESTABLISHED"}; !s.Declares || !slices.Equal(s.Paths, want) {
		t.Errorf("paths %v, want %v", s.Paths, want)
	}
	if len(s.steps) != 23 {
		t.Errorf("%d steps, want 23", len(s.steps))
	}
	if first := s.steps[0]; first.line != 5 || !strings.HasPrefix(first.text, "syn mss") {
		t.Errorf("first step %d: %s", first.line, first.text)
	}
}

func TestParseNoPaths(t *testing.T) {
	none, err := Parse("x", "path none")
	if err != nil || !none.Declares || len(none.Paths) != 0 {
		t.Errorf("path none: %+v, %v", none, err)
	}
	empty, err := Parse("x", "")
	if err != nil || empty.Declares || len(empty.steps) != 0 {
		t.Errorf("empty: %+v, %v", empty, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"shout":                          "unknown step",
		"syn loud":                       `unknown field "loud"`,
		"syn loud=1":                     `unknown field "loud"`,
		"syn mss=65536":                  "want 0 to 65535",
		"syn mss=-1":                     "want 0 to 65535",
		"syn wscale=256":                 "want 0 to 255",
		"syn seq=":                       "want 0 to 2^32-1",
		"syn seq=+4294967296":            "less than 2^31",
		"syn seq=4294967296":             "want 0 to 2^32-1",
		"syn opt=f":                      "opt: encoding/hex",
		"syn ts=x":                       `number "x"`,
		"syn ts=1:":                      `number ""`,
		"ack again":                      `unknown field "again"`,
		`send`:                           "want a text in quotes",
		`send hello`:                     "want a text in quotes",
		`send "hello`:                    "closing quote",
		`send "a"b`:                      "runs into what follows",
		"segment":                        "want flags",
		"segment FIN,,ACK":               `flag ""`,
		"segment fin":                    `flag "fin"`,
		"expect":                         "want a kind",
		"expect nothing":                 `kind "nothing"`,
		"expect ack loud":                `unknown field "loud"`,
		"expect ack wscale=1":            `unknown field "wscale"`,
		"expect rst again":               "rst again: it has no",
		"expect ack len=x":               `number "x"`,
		"silence":                        "want one argument, got 0",
		"silence forever":                `duration "forever"`,
		"wait -1s":                       `duration "-1s"`,
		"wait 61s":                       `duration "61s"`,
		"state FIN_WAIT_1":               `state "FIN_WAIT_1"`,
		"state":                          "want one argument",
		"iss -1":                         "want 0 to 4294967295",
		"icmp unreachable":               "want: unreachable REASON",
		"icmp unreachable moon":          "want admin, host, net, port, protocol",
		"icmp unreachable port ack=1":    `unknown field "ack=1"`,
		"icmp unreachable port seq=x":    `number "x"`,
		"kernel":                         "want what to do",
		"kernel panic":                   "panic: unknown",
		"kernel listen 1":                "listen: unknown, or with an argument too many",
		"kernel a b c d":                 "too many arguments",
		"kernel a b c":                   "unknown",
		"kernel write x":                 "want a text in quotes",
		"kernel read x":                  "want a text in quotes, eof",
		`kernel read ""`:                 "want a text in quotes, eof",
		"kernel error OOPS":              `error "OOPS"`,
		"kernel shutdown all":            "want rd, wr or rdwr",
		"kernel linger -1":               "want 0 to 65535",
		"kernel sysctl kernel.x 1":       "want net.…",
		"kernel sysctl net.ipv4/../.. 1": "want net.…",
		"kernel setsockopt TCP_NONE 1":   `unknown option "TCP_NONE"`,
		"kernel setsockopt TCP_CORK x":   `number "x"`,
		"path":                           "want two states",
		"path CLOSE":                     "want two states",
		"path CLOSE OPEN":                `state "OPEN"`,
	} {
		s, err := Parse("name", "\n"+line)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "parse name:2: ") {
			t.Errorf("%s: got %v and %v, want %s", line, s, err, want)
		}
	}
}

func TestParseBounds(t *testing.T) {
	if _, err := Parse("x", strings.Repeat("ack\n", maxSteps)); err != nil {
		t.Error(err)
	}
	if _, err := Parse("x", strings.Repeat("ack\n", maxSteps+1)); err == nil {
		t.Error("no error for too many steps")
	}
	if _, err := Parse("x", strings.Repeat(" ", maxScript+1)); err == nil {
		t.Error("no error for too many bytes")
	}
}

func TestScenariosDeclareTheirPaths(t *testing.T) {
	all, err := Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Errorf("%d scenarios, want more", len(all))
	}
	for _, s := range all {
		if !s.Declares || len(s.steps) == 0 {
			t.Errorf("%s: %d steps, paths %t", s.Name, len(s.steps), s.Declares)
		}
	}
}

// FuzzParse: an error, which names the line, or a script; never both.
func FuzzParse(f *testing.F) {
	all, err := Scenarios()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range all {
		for _, step := range s.steps {
			f.Add(step.text)
		}
	}
	f.Add("path CLOSE LISTEN\n\nsegment FIN,URG \"a\\x00\" ts=1:2 opt=fe0300 badsum # why")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("fuzz", text)
		if (s == nil) == (err == nil) {
			t.Fatalf("script %v and error %v", s, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "parse fuzz:") {
			t.Fatalf("error %v does not name the line", err)
		}
		if err == nil && len(s.steps) > strings.Count(text, "\n")+1 {
			t.Fatalf("%d steps", len(s.steps))
		}
	})
}
