package tui

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/printable"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// Spans of time in ns.
const (
	microsecond = 1e3
	millisecond = 1e6
	second      = 1e9
	minute      = 60 * second
	hour        = 60 * minute
	day         = 24 * hour
)

// span spells a span of time in at most six characters, all of them ASCII.
func span(ns int64) string {
	switch {
	case ns < 0:
		return "-"
	case ns < microsecond:
		return strconv.FormatInt(ns, 10) + "ns"
	case ns < millisecond:
		return threeDigits(ns, microsecond) + "us"
	case ns < second:
		return threeDigits(ns, millisecond) + "ms"
	case ns < minute:
		return threeDigits(ns, second) + "s"
	}
	return coarse(ns)
}

// ticking spells a span of time that is still growing: with no digit that
// changes faster than it can be read.
func ticking(ns int64) string {
	if ns >= 0 && ns < 10*second {
		return strconv.FormatInt(ns/second, 10) + "." + strconv.FormatInt(ns%second/(100*millisecond), 10) + "s"
	}
	return coarse(ns)
}

// coarse spells a span of time in seconds, or in its two largest units.
func coarse(ns int64) string {
	switch {
	case ns < 0:
		return "-"
	case ns < minute:
		return strconv.FormatInt(ns/second, 10) + "s"
	case ns < hour:
		return twoUnits(ns, minute, "m", second, "s")
	case ns < day:
		return twoUnits(ns, hour, "h", minute, "m")
	case ns < 100*day:
		return twoUnits(ns, day, "d", hour, "h")
	}
	return strconv.FormatInt(ns/day, 10) + "d"
}

func twoUnits(ns, large int64, l string, small int64, s string) string {
	n := ns % large / small
	pad := ""
	if n < 10 {
		pad = "0"
	}
	return strconv.FormatInt(ns/large, 10) + l + pad + strconv.FormatInt(n, 10) + s
}

// threeDigits spells ns/unit, below 1000, with three digits, cut, not rounded.
func threeDigits(ns, unit int64) string {
	whole := ns / unit
	switch {
	case whole >= 100:
		return strconv.FormatInt(whole, 10)
	case whole >= 10:
		return strconv.FormatInt(whole, 10) + "." + strconv.FormatInt(ns%unit*10/unit, 10)
	}
	hundredths := strconv.FormatInt(ns%unit*100/unit, 10)
	if len(hundredths) == 1 {
		hundredths = "0" + hundredths
	}
	return strconv.FormatInt(whole, 10) + "." + hundredths
}

// offset spells how far a moment is from the beginning of a life.
func offset(ns int64) string {
	if ns < minute {
		whole, unit, name := ns/millisecond, int64(millisecond), "ms"
		if ns >= second {
			whole, unit, name = ns/second, second, "s"
		}
		rest := strconv.FormatInt(ns%unit*1000/unit, 10)
		return "+" + strconv.FormatInt(whole, 10) + "." + "000"[len(rest):] + rest + name
	}
	return "+" + coarse(ns)
}

// grouped spells a number with a comma between thousands.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	if len(s) <= 3 {
		return s
	}
	var b strings.Builder
	head := (len(s)-1)%3 + 1
	b.WriteString(s[:head])
	for ; head < len(s); head += 3 {
		b.WriteByte(',')
		b.WriteString(s[head : head+3])
	}
	return b.String()
}

// short spells a number in at most five characters.
func short(n uint64) string {
	if n < 10_000 {
		return strconv.FormatUint(n, 10)
	}
	const units = "kMGTPE"
	i, unit := 0, uint64(1000)
	for n/unit >= 1000 && i < len(units)-1 {
		i++
		unit *= 1000
	}
	if n/unit < 100 {
		return strconv.FormatUint(n/unit, 10) + "." + strconv.FormatUint(n%unit/(unit/10), 10) + units[i:i+1]
	}
	return strconv.FormatUint(n/unit, 10) + units[i:i+1]
}

// appendEndpoint appends an address and port, * for none.
func appendEndpoint(b []byte, f events.Family, a *[16]byte, port uint16) []byte {
	addr := events.Addr(f, a)
	if port == 0 && (!addr.IsValid() || addr.IsUnspecified()) {
		return append(b, '*')
	}
	if !addr.IsValid() {
		b = append(b, '?', ':')
		return strconv.AppendUint(b, uint64(port), 10)
	}
	return netip.AddrPortFrom(addr, port).AppendTo(b)
}

func endpoint(f events.Family, a *[16]byte, port uint16) string {
	var buf [64]byte
	return string(appendEndpoint(buf[:0], f, a, port))
}

// The marks before an owner that is not known for certain.
const (
	markInherited = '~'
	ownerUnknown  = "?"
	ownerKernel   = "[kernel]"
)

// appendOwner appends an owner as pid/comm, safe to print.
func appendOwner(b []byte, o *events.Owner) []byte {
	switch o.Provenance {
	case events.ProvenanceUnknown:
		return append(b, ownerUnknown...)
	case events.ProvenanceKernel:
		return append(b, ownerKernel...)
	case events.ProvenanceInherited:
		b = append(b, markInherited)
	}
	b = strconv.AppendUint(b, uint64(o.PID), 10)
	return appendComm(append(b, '/'), &o.Comm)
}

// appendComm appends a process name, safe to print. Nearly all are plain.
func appendComm(b []byte, comm *[16]byte) []byte {
	start := len(b)
	for _, c := range comm {
		switch {
		case c == 0:
			return b
		case c < ' ', c > '~', c == '\\':
			return append(b[:start], printable.Comm(comm)...)
		}
		b = append(b, c)
	}
	return b
}

func owner(o *events.Owner) string {
	var buf [96]byte
	return string(appendOwner(buf[:0], o))
}

// endText says why a life ended, and by whom where the reason does not.
func endText(reason model.CloseReason, by model.Closer) string {
	text := reason.String()
	if who := by.String(); who != "" && !strings.Contains(text, "_by_") {
		return text + " by " + who
	}
	return text
}

// rowEnd says why the life of a row ended, empty while it lives.
func rowEnd(r *track.Row) string {
	switch {
	case r.Facts&track.Ended == 0:
		return ""
	case r.Facts&track.Reported == 0:
		return "ending"
	}
	return endText(r.End.Reason, r.End.By)
}

// firstLine returns s up to its first line break.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
