package vmrun

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseTests(t *testing.T) {
	for _, test := range []struct {
		name, output string
		want         []TestResult
	}{
		{"nothing", "", []TestResult{}},
		{"pass", "=== RUN   TestA\n--- PASS: TestA (0.25s)\nPASS\n", []TestResult{{"TestA", Pass, 0.25, ""}}},
		{"carriage returns", "=== RUN   TestA\r\n--- FAIL: TestA (1.00s)\r\nFAIL\r\n", []TestResult{{"TestA", Fail, 1, ""}}},
		{
			"the last message is the reason, to the end of its line",
			"=== RUN   TestA\n    a_test.go:7: looking\n    a_test.go:8: no mptcp: EPERM\n        and more\n--- SKIP: TestA (0.01s)\n",
			[]TestResult{{"TestA", Skip, 0.01, "no mptcp: EPERM"}},
		},
		{
			"messages belong to their tests, also side by side",
			"=== RUN   TestA\n=== PAUSE TestA\n=== RUN   TestB\n=== PAUSE TestB\n=== CONT  TestA\n=== CONT  TestB\n" +
				"    b_test.go:1: why B\n=== NAME  TestA\n    a_test.go:2: why A\n--- SKIP: TestB (0.00s)\n--- SKIP: TestA (0.00s)\n",
			[]TestResult{{"TestB", Skip, 0, "why B"}, {"TestA", Skip, 0, "why A"}},
		},
		{
			"a subtest that passed is not listed, one that was skipped is",
			"=== RUN   TestA\n=== RUN   TestA/x\n=== RUN   TestA/y\n    a_test.go:1: no y\n" +
				"--- PASS: TestA (0.02s)\n    --- PASS: TestA/x (0.01s)\n    --- SKIP: TestA/y (0.00s)\n",
			[]TestResult{{"TestA", Pass, 0.02, ""}, {"TestA/y", Skip, 0, "no y"}},
		},
		{
			"output without a newline before the end",
			"=== RUN   TestA\nhello--- PASS: TestA (0.00s)\n",
			[]TestResult{{"TestA", Pass, 0, ""}},
		},
		{
			"the output of another program's tests",
			"=== RUN   TestA\n    a_test.go:1: it said\n        --- FAIL: TestOther (0.00s)\n--- PASS: TestA (0.00s)\n",
			[]TestResult{{"TestA", Pass, 0, ""}},
		},
		{
			"a crash",
			"=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n=== RUN   TestB/x\npanic: no\n",
			[]TestResult{{"TestA", Pass, 0, ""}, {"TestB", Unfinished, 0, ""}, {"TestB/x", Unfinished, 0, ""}},
		},
		{"no reason", "=== RUN   TestA\n--- SKIP: TestA (0.00s)\n", []TestResult{{"TestA", Skip, 0, ""}}},
	} {
		if got := parseTests(test.output); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

// What is told of tests never outgrows what was said of them.
func FuzzParseTests(f *testing.F) {
	f.Add("=== RUN   TestA\n    a_test.go:8: why\n--- SKIP: TestA (0.00s)\n")
	f.Add("=== RUN   TestA\n=== RUN   TestA/x\n    --- FAIL: TestA/x (9.99s)\n")
	f.Fuzz(func(t *testing.T, output string) {
		got := parseTests(output)
		if begun := strings.Count(output, "=== RUN"); len(got) > begun {
			t.Errorf("%d results of %d tests", len(got), begun)
		}
		for _, r := range got {
			if r.Name == "" || strings.ContainsAny(r.Name+r.Reason, "\n") || r.Seconds < 0 {
				t.Errorf("result %+v", r)
			}
		}
	})
}
