package kerneltest

import (
	"encoding/binary"
	"fmt"
)

// A page of a trace buffer, as per_cpu/cpuN/trace_pipe_raw gives it: the time
// of the first record in ns, a word with the length of the data and two flags,
// the data. Each record begins with 5 bits of type or length and 27 bits of
// time since the record before (events/header_page and header_event of tracefs,
// include/linux/ring_buffer.h). Words are native; the 64-bit layout is assumed.
const (
	pageTime    = 0
	pageCommit  = 8
	pageData    = 16
	missedEvent = 1 << 31  // records before this page were overwritten
	missedFlags = 3 << 30  // with that, whether their number is stored
	typeBits    = 1<<5 - 1 // of a record's first word
	maxInline   = 28       // greatest type that is a length, in words
	typePadding = 29
	typeExtend  = 30 // more bits of time
	typeStamp   = 31 // an absolute time
)

// eachRecord calls f with the time and the bytes of every record on a page. The
// bytes are part of page.
func eachRecord(page []byte, f func(ns uint64, record []byte)) error {
	if len(page) < pageData {
		return fmt.Errorf("page of %d bytes", len(page))
	}
	commit := binary.NativeEndian.Uint64(page[pageCommit:])
	if commit&missedEvent != 0 {
		return fmt.Errorf("records were overwritten")
	}
	size := commit &^ missedFlags
	if size > uint64(len(page)-pageData) {
		return fmt.Errorf("page of %d bytes with %d of data", len(page), size)
	}
	now := binary.NativeEndian.Uint64(page[pageTime:])
	for rest := page[pageData : pageData+size]; len(rest) >= 4; {
		r, err := splitRecord(rest)
		if err != nil {
			return err
		}
		if now += r.delta; r.absolute {
			now = r.delta
		}
		if r.data != nil {
			f(now, r.data)
		}
		rest = rest[r.size:]
	}
	return nil
}

// pageRecord is one record of a page, or what stands between records.
type pageRecord struct {
	delta    uint64 // ns since the record before
	absolute bool   // or rather since boot
	data     []byte // nil if there are none
	size     int    // of all of it, in bytes
}

// splitRecord reads what is at the start of b, at least 4 bytes.
func splitRecord(b []byte) (pageRecord, error) {
	word := binary.NativeEndian.Uint32(b)
	kind, delta := word&typeBits, uint64(word>>5)
	if kind > 0 && kind <= maxInline {
		size := 4 + 4*int(kind)
		if size > len(b) {
			return pageRecord{}, fmt.Errorf("record of %d bytes in %d", size, len(b))
		}
		return pageRecord{delta: delta, data: b[4:size], size: size}, nil
	}
	if kind == typePadding && delta == 0 || len(b) < 8 {
		return pageRecord{size: len(b)}, nil // unused to the end of the page
	}
	return splitLong(kind, delta, b)
}

// splitLong reads a record whose second word is a number.
func splitLong(kind uint32, delta uint64, b []byte) (pageRecord, error) {
	second := binary.NativeEndian.Uint32(b[4:])
	switch kind {
	case typeExtend:
		return pageRecord{delta: delta | uint64(second)<<27, size: 8}, nil
	case typeStamp: // 59 bits: right until the machine has run for 18 years
		return pageRecord{delta: delta | uint64(second)<<27, absolute: true, size: 8}, nil
	}
	size := 4 + int64(second) // the length counts its own word
	if size < 8 || size > int64(len(b)) {
		return pageRecord{}, fmt.Errorf("record of %d bytes in %d", size, len(b))
	}
	if kind == typePadding { // a record that was taken back
		return pageRecord{delta: delta, size: int(size)}, nil
	}
	return pageRecord{delta: delta, data: b[8:size], size: int(size)}, nil
}
