package vmrun

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	// switchLine tells whose messages follow.
	switchLine = regexp.MustCompile(`^=== (RUN|CONT|NAME|PAUSE) +(\S+)$`)
	// messageLine is where a message of t.Log or t.Skip begins.
	messageLine = regexp.MustCompile(`^ +[^ :]+\.go:\d+: (.*)$`)
	// endLine is the end of a test. Output of the program without a newline may
	// stand before it.
	endLine = regexp.MustCompile(`--- (PASS|SKIP|FAIL): (\S+) \((\d+\.\d+)s\)$`)
)

// testLog reads what a test binary prints under -test.v.
type testLog struct {
	running  []string // that began and have not ended, in that order
	current  string   // whose messages these are
	messages map[string]string
	results  []TestResult
}

// parseTests returns what the output of a test binary says of its tests.
func parseTests(output string) []TestResult {
	l := testLog{messages: map[string]string{}, results: []TestResult{}}
	for line := range strings.Lines(output) {
		l.line(strings.TrimRight(line, "\r\n"))
	}
	for _, name := range l.running {
		l.add(TestResult{Name: name, Outcome: Unfinished})
	}
	return l.results
}

func (l *testLog) line(line string) {
	if m := switchLine.FindStringSubmatch(line); m != nil {
		l.current = m[2]
		if m[1] == "RUN" {
			l.running = append(l.running, m[2])
		}
		return
	}
	if m := endLine.FindStringSubmatch(line); m != nil {
		l.end(m[1], m[2], m[3])
		return
	}
	if m := messageLine.FindStringSubmatch(line); m != nil {
		l.messages[l.current] = m[1] // the last is the reason of a skip
	}
}

// end takes in the end of a test that began: others are in the output of a test
// that runs tests.
func (l *testLog) end(word, name, seconds string) {
	for i, running := range l.running {
		if running != name {
			continue
		}
		l.running = append(l.running[:i], l.running[i+1:]...)
		r := TestResult{Name: name, Outcome: Outcome(strings.ToLower(word))}
		r.Seconds, _ = strconv.ParseFloat(seconds, 64) // the pattern is a number's
		if r.Outcome == Skip {
			r.Reason = l.messages[name]
		}
		l.add(r)
		return
	}
}

// add leaves out subtests that passed: their test stands for them.
func (l *testLog) add(r TestResult) {
	if !r.isSubtest() || r.Outcome != Pass {
		l.results = append(l.results, r)
	}
}

func (t TestResult) isSubtest() bool { return strings.Contains(t.Name, "/") }
