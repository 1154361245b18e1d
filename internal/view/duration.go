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
	var b [16]byte
	return string(appendDuration(b[:0], ns))
}

func appendDuration(b []byte, ns int64) []byte {
	switch d := time.Duration(ns); {
	case ns < 0:
		return append(b, '-')
	case d < time.Microsecond:
		return append(strconv.AppendInt(b, ns, 10), "ns"...)
	case d < time.Millisecond:
		return append(three(b, d, time.Microsecond), "µs"...)
	case d < time.Second:
		return append(three(b, d, time.Millisecond), "ms"...)
	case d < time.Minute:
		return append(three(b, d, time.Second), 's')
	case d < time.Hour:
		return pair(b, d, time.Minute, 'm', time.Second, 's')
	case d < 24*time.Hour:
		return pair(b, d, time.Hour, 'h', time.Minute, 'm')
	default:
		return pair(b, d, 24*time.Hour, 'd', time.Hour, 'h')
	}
}

// three prints how many units d has, less than 1000, with three digits, never
// rounded up into a fourth.
func three(b []byte, d, unit time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/unit), 10)
	rest := d % unit
	switch {
	case d < 10*unit:
		return append(b, '.', byte('0'+rest*10/unit), byte('0'+rest*100/unit%10))
	case d < 100*unit:
		return append(b, '.', byte('0'+rest*10/unit))
	}
	return b
}

func pair(b []byte, d, big time.Duration, bigName byte, small time.Duration, smallName byte) []byte {
	b = append(strconv.AppendInt(b, int64(d/big), 10), bigName)
	rest := d % big / small
	if rest < 10 {
		b = append(b, '0')
	}
	return append(strconv.AppendInt(b, int64(rest), 10), smallName)
}
