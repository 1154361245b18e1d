package probe

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tcpwatch/tcpwatch/internal/kerneltest"
)

func wantTCP(name []byte) bool { return bytes.HasPrefix(name, []byte("tcp_")) }

func TestFindCode(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []code
		err  error
	}{
		"in order": {
			"ffffffff81000000 T _stext\nffffffff81000010 T tcp_v4_rcv\nffffffff81000090 t next\n",
			[]code{{"tcp_v4_rcv", 0xffffffff81000010, 0xffffffff81000090}}, nil,
		},
		"in parts": {
			"10 t tcp_abort.isra.0\n20 t b\n30 t tcp_abort.cold\n38 t c\n",
			[]code{{"tcp_abort", 0x10, 0x20}, {"tcp_abort", 0x30, 0x38}}, nil,
		},
		"in a module, in no order": {
			"10 t a\nf0 t z\t[ipv6]\n80 t tcp_v6_rcv\t[ipv6]\n98 t y\t[ipv6]\n",
			[]code{{"tcp_v6_rcv", 0x80, 0x98}}, nil,
		},
		"data between":    {"10 t tcp_abort\n18 d data\n20 t b\n", []code{{"tcp_abort", 0x10, 0x20}}, nil},
		"aliases":         {"10 t tcp_abort\n10 t alias\n20 t b\n", []code{{"tcp_abort", 0x10, 0x20}}, nil},
		"the last":        {"10 t tcp_abort\n", nil, nil},
		"no such":         {"10 t a\n20 t b\n", nil, nil},
		"empty":           {"", nil, nil},
		"no newline":      {"10 t tcp_abort\n20 t b", []code{{"tcp_abort", 0x10, 0x20}}, nil},
		"hidden":          {"0000000000000000 T _stext\n0000000000000000 T tcp_v4_rcv\n", nil, errHidden},
		"hidden, no such": {"0000000000000000 T _stext\n", nil, nil},
		"garbage":         {"\n \nxyz t tcp_a\n10 t\n10 t \n10  tcp_a\n11111111111111111 t tcp_a\n10 t tcp_abort\n20 t b\n", []code{{"tcp_abort", 0x10, 0x20}}, nil},
		"a long line":     {strings.Repeat("x", 100_000) + "\n10 t tcp_abort\n20 t b\n", []code{{"tcp_abort", 0x10, 0x20}}, nil},
	} {
		got, err := findCode(strings.NewReader(test.text), wantTCP)
		if !errors.Is(err, test.err) || !slices.Equal(got, test.want) {
			t.Errorf("%s: %x, %v; want %x, %v", name, got, err, test.want, test.err)
		}
	}
}

func FuzzFindCode(f *testing.F) {
	f.Add([]byte("ffffffff81000010 T tcp_v4_rcv\nffffffff81000090 t next\t[ipv6]\n"))
	f.Add([]byte("0 t tcp_a\n10 t tcp_.cold\nffffffffffffffff t tcp_b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := findCode(bytes.NewReader(text), wantTCP)
		if err != nil && !errors.Is(err, errHidden) {
			t.Fatal(err)
		}
		for _, c := range found {
			if c.start == 0 || c.end <= c.start || !wantTCP([]byte(c.function)) || strings.Contains(c.function, ".") {
				t.Errorf("found %+v", c)
			}
		}
	})
}

func BenchmarkKallsyms(b *testing.B) {
	kerneltest.RequireRoot(b)
	for b.Loop() {
		if _, err := readKallsyms(func(name []byte) bool { return string(name) == "tcp_v4_rcv" }); err != nil {
			b.Fatal(err)
		}
	}
}
