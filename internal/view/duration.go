// Package view draws observations and sockets as text for people. Text from
// outside reaches it only through package printable.
package view

import (
	"strconv"
	"time"
)

// Duration prints ns with three digits and a unit, in at most seven columns:
// 12.3µs, 4.56ms, 59.9s, 12m05s, 3h04m, 2d03h. Negative is unknown: "-".
func Duration(ns int64) string {
	switch d := time.Duration(ns); {
	case ns < 0:
		return "-"
	case d < time.Microsecond:
		return strconv.FormatInt(ns, 10) + "ns"
	case d < time.Millisecond:
		return three(float64(ns)/1e3) + "µs"
	case d < time.Second:
		return three(float64(ns)/1e6) + "ms"
	case d < time.Minute:
		return three(float64(ns)/1e9) + "s"
	case d < time.Hour:
		return pair(d, time.Minute, "m", time.Second, "s")
	case d < 24*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "m")
	default:
		return pair(d, 24*time.Hour, "d", time.Hour, "h")
	}
}

// three prints a number below 1000 with three digits, never rounded up into a
// fourth.
func three(v float64) string {
	decimals := 0
	switch {
	case v < 10:
		decimals = 2
	case v < 100:
		decimals = 1
	}
	scale := [...]float64{1, 10, 100}[decimals]
	return strconv.FormatFloat(float64(int64(v*scale))/scale, 'f', decimals, 64)
}

func pair(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	rest := strconv.FormatInt(int64(d%big/small), 10)
	if len(rest) == 1 {
		rest = "0" + rest
	}
	return strconv.FormatInt(int64(d/big), 10) + bigName + rest + smallName
}
