package printable

import (
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile is what people, fuzzers and attackers put into process names and
// command lines.
var hostile = []struct{ name, in, want string }{
	{"empty", "", ""},
	{"plain", "nginx: worker", "nginx: worker"},
	{"prctl", "\xff\x1b[2Jx\n\t]0;p\x07", `\xff\x1b[2Jx\x0a\x09]0;p\x07`},
	{"clear screen", "\x1b[2J\x1b[H", `\x1b[2J\x1b[H`},
	{"OSC 52 clipboard", "\x1b]52;c;cm0gLXJm\x07", `\x1b]52;c;cm0gLXJm\x07`},
	{"C1 CSI", "\u009b31m", `\u009b31m`},
	{"raw C1 byte", "\x9b31m", `\x9b31m`},
	{"NEL", "a\u0085b", `a\u0085b`},
	{"DEL", "a\x7fb", `a\x7fb`},
	{"NUL", "a\x00b", `a\x00b`},
	{"carriage return", "ok\rEVIL", `ok\x0dEVIL`},
	{"bidi override", "a\u202egpj.exe", `a\u202egpj.exe`},
	{"bidi isolates", "\u2066\u2067\u2068\u2069", `\u2066\u2067\u2068\u2069`},
	{"bidi marks", "\u061c\u200e\u200f", `\u061c\u200e\u200f`},
	{"zero width", "a\u200b\u200c\u200d\u2060\ufeff\u00adb", `a\u200b\u200c\u200d\u2060\ufeff\u00adb`},
	{"separators", "a\u2028b\u2029c", `a\u2028b\u2029c`},
	{"tag characters", "\U000e0001\U000e0041", `\U000e0001\U000e0041`},
	{"private use", "\ue000\U000f0000", `\ue000\U000f0000`},
	{"nonchar", "\ufdd0\uffff\U0010ffff", `\ufdd0\uffff\U0010ffff`},
	{"surrogate bytes", "\xed\xa0\x80", `\xed\xa0\x80`},
	{"overlong NUL", "\xc0\x80", `\xc0\x80`},
	{"cut UTF-8", "a\xe2\x82", `a\xe2\x82`},
	{"other spaces", "a\u00a0b\u3000c", `a\u00a0b\u3000c`},
	{"fillers", "\u3164\u115f\uffa0\u2800", `\u3164\u115f\uffa0\u2800`},
	{"variation selectors", "a\ufe0f\U000e0100", `a\ufe0f\U000e0100`},
	{"backslash", `\x1b`, `\\x1b`},
	{"replacement character", "\ufffd", "\ufffd"},
	{"letters", "жизнь 東京 été", "жизнь 東京 été"},
	{"composed", "e\u0301", "e\u0301"},
	{"zalgo", "e" + strings.Repeat("\u0301", 6), "e" + strings.Repeat("\u0301", 4) + `\u0301\u0301`},
	{"mark without a base", "\u0301a", `\u0301a`},
	{"mark after an escape", "\x1b\u0301", `\x1b\u0301`},
	{"mark after a backslash", "\\\u0301", `\\\u0301`},
	{"tview colour tag", "[red]x", "[red]x"},
	{"HTML", "</script>", "</script>"},
	{"spreadsheet", "=cmd()", "=cmd()"},
}

func TestHostileStrings(t *testing.T) {
	for _, c := range hostile {
		if got := String(c.in); got != c.want {
			t.Errorf("%s: String(%q) = %s, want %s", c.name, c.in, got, c.want)
		}
		if got := Bytes([]byte(c.in)); got != c.want {
			t.Errorf("%s: Bytes(%q) = %s, want %s", c.name, c.in, got, c.want)
		}
	}
}

func TestCommEndsAtTheFirstNUL(t *testing.T) {
	cases := map[string]string{
		"":                    "",
		"nginx\x00leftovers":  "nginx",
		"sixteen bytes ok":    "sixteen bytes ok",
		"\x1b[2J\x00\xff\xff": `\x1b[2J`,
	}
	for in, want := range cases {
		var c [16]byte
		copy(c[:], in)
		if got := Comm(&c); got != want {
			t.Errorf("Comm(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEveryRuneIsSafe(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r > 0x1ffff && r < 0xe0000 {
			r += 60 // ideographs and nothing: a sample is enough
		} else if r > 0xeffff {
			r += 600 // private use
		}
		in := string(r)
		out := String(in)
		if forbiddenRune(out) >= 0 {
			t.Fatalf("String(%U) = %q", r, out)
		}
		if r%31 == 0 && unquote(t, out) != in { // all of them take the race detector long
			t.Fatalf("String(%U) = %q does not unquote to it", r, out)
		}
	}
}

func TestLongTextIsCutWhole(t *testing.T) {
	for _, unit := range []string{"a", "é", "東", "\x1b", "\u202e", "\U000e0001", `\`} {
		one := String(unit)
		for n := Max/len(one) - 2; n <= Max/len(one)+2; n++ {
			out := String(strings.Repeat(unit, n))
			if len(out) > Max {
				t.Fatalf("%q x %d: %d bytes", unit, n, len(out))
			}
			body, cut := strings.CutSuffix(out, ellipsis)
			if cut != (n*len(one) > Max) {
				t.Errorf("%q x %d: cut = %v", unit, n, cut)
			}
			if strings.Repeat(one, len(body)/len(one)) != body {
				t.Errorf("%q x %d: cut inside of a character", unit, n)
			}
		}
	}
}

func TestCleanTextDoesNotAllocate(t *testing.T) {
	for _, s := range []string{"nginx", "жизнь 東京 e\u0301", strings.Repeat("x", Max)} {
		if n := testing.AllocsPerRun(100, func() { sink = String(s) }); n != 0 {
			t.Errorf("String(%.10q): %v allocations", s, n)
		}
	}
}

// forbiddenRune returns where out holds something that must never be printed,
// or -1. It names the classes one by one: it must not share a mistake with
// visible.
func forbiddenRune(out string) int {
	for i, r := range out {
		switch {
		case r < 0x20, r >= 0x7f && r <= 0x9f,
			r == 0x061c, r == 0x00ad, r == 0xfeff, r == 0x2028, r == 0x2029,
			r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f,
			unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp),
			!unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs):
			return i
		}
	}
	return -1
}

// unquote undoes the escapes.
func unquote(t *testing.T, s string) string {
	t.Helper()
	got, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("unquote %q: %v", s, err)
	}
	return got
}

func FuzzString(f *testing.F) {
	for _, c := range hostile {
		f.Add(c.in)
	}
	f.Add(strings.Repeat("\u202e", Max))
	f.Fuzz(func(t *testing.T, in string) {
		out := String(in)
		if !utf8.ValidString(out) || len(out) > Max {
			t.Fatalf("String(%q): %d bytes, valid %v", in, len(out), utf8.ValidString(out))
		}
		if i := forbiddenRune(out); i >= 0 {
			t.Fatalf("String(%q) = %q: forbidden at %d", in, out, i)
		}
		if len(in)*10 <= Max && unquote(t, out) != in {
			t.Fatalf("String(%q) = %q does not unquote to it", in, out)
		}
	})
}

var sink string // keeps the compiler from dropping the calls it measures

func BenchmarkClean(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink = String("nginx: worker")
	}
}

func BenchmarkHostile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink = String("\xff\x1b[2Jx\n\t]0;p\x07")
	}
}
