package kerneltest

import (
	"encoding/binary"
	"slices"
	"testing"
)

// page builds a page of the given words, begun at time 1000.
func page(commit int, words ...uint32) []byte {
	b := binary.NativeEndian.AppendUint64(nil, 1000)
	b = binary.NativeEndian.AppendUint64(b, uint64(commit))
	for _, w := range words {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

func word(kind, delta uint32) uint32 { return kind | delta<<5 }

func TestEachRecord(t *testing.T) {
	type seen struct {
		ns    uint64
		first byte
		size  int
	}
	p := page(4*15,
		word(1, 5), 0xa1, // 4 bytes at 1005
		word(typeExtend, 1), 1, // 2^27 + 1 later
		word(0, 2), 12, 0xa2, 0, // 8 bytes with a length of their own
		word(typePadding, 3), 4, // taken back
		word(typeStamp, 7), 0, // the time is 7
		word(1, 1), 0xa3,
		word(typePadding, 0), // unused
	)
	var got []seen
	err := eachRecord(p, func(ns uint64, r []byte) { got = append(got, seen{ns, r[0], len(r)}) })
	want := []seen{{1005, 0xa1, 4}, {1005 + 1<<27 + 1 + 2, 0xa2, 8}, {8, 0xa3, 4}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestDamagedPages(t *testing.T) {
	for name, p := range map[string][]byte{
		"short":          make([]byte, 15),
		"too much data":  page(8, 0),
		"lost records":   page(4|missedEvent, word(1, 0), 0),
		"long record":    page(8, word(2, 0), 0),
		"long length":    page(8, word(0, 0), 100),
		"without length": page(8, word(0, 0), 0),
	} {
		if err := eachRecord(p, func(uint64, []byte) {}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzEachRecord(f *testing.F) {
	f.Add(page(8, word(1, 5), 0xa1))
	f.Add(page(8, word(0, 0), 4))
	f.Fuzz(func(t *testing.T, p []byte) {
		_ = eachRecord(p, func(_ uint64, r []byte) { _ = reader{&format{}, r}.event() })
	})
}
