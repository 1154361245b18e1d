package tunpeer

import (
	"cmp"
	"flag"
	"strconv"
	"testing"
)

// atOnce is how many scripts run at a time: they wait for the kernel's timers, and not
// for a processor.
const atOnce = 16

// Main runs a package's tests with as many parallel ones as scripts can run at a time.
// It is called by TestMain, and returns the exit code.
func Main(m *testing.M) int {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil {
		n, err := strconv.Atoi(f.Value.String())
		if err = cmp.Or(err, f.Value.Set(strconv.Itoa(max(n, atOnce)))); err != nil {
			panic(err) // the flag is testing's own
		}
	}
	return m.Run()
}
