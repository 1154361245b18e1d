package tunpeer

import (
	"encoding/binary"
	"fmt"
)

// The kinds of options known here, as IANA numbers them.
const (
	optEnd           = 0
	optNOP           = 1
	optMSS           = 2
	optWindowScale   = 3
	optSACKPermitted = 4
	optSACK          = 5
	optTimestamps    = 8
)

// maxOptions is the room for options in bytes: the header's length is at most
// 15 words, 5 of which are fixed.
const maxOptions = 40

// Options are the options of a segment. The zero value is none.
type Options struct {
	MSS            uint16 // bytes; 0 is absent
	HasWindowScale bool
	WindowScale    uint8 // a shift, at most 14 by RFC 7323
	SACKPermitted  bool
	HasTimestamps  bool
	TSVal, TSEcr   uint32
	SACK           [][2]uint32 // left and right edges
	Other          []byte      // further options as they are; marshalled last
}

// marshal returns the options padded to whole words.
func (o Options) marshal() ([]byte, error) {
	var b []byte
	if o.MSS != 0 {
		b = append(b, optMSS, 4)
		b = binary.BigEndian.AppendUint16(b, o.MSS)
	}
	if o.SACKPermitted {
		b = append(b, optSACKPermitted, 2)
	}
	if o.HasTimestamps {
		b = append(b, optTimestamps, 10)
		b = binary.BigEndian.AppendUint32(b, o.TSVal)
		b = binary.BigEndian.AppendUint32(b, o.TSEcr)
	}
	if o.HasWindowScale {
		b = append(b, optWindowScale, 3, o.WindowScale)
	}
	if len(o.SACK) > 0 {
		b = append(b, optSACK, byte(2+8*len(o.SACK)))
	}
	for _, edge := range o.SACK {
		b = binary.BigEndian.AppendUint32(b, edge[0])
		b = binary.BigEndian.AppendUint32(b, edge[1])
	}
	b = append(b, o.Other...)
	if len(b) > maxOptions {
		return nil, fmt.Errorf("marshal options: %d bytes, at most %d fit", len(b), maxOptions)
	}
	for len(b)%4 != 0 {
		b = append(b, optEnd)
	}
	return b, nil
}

// parseOptions is the inverse of marshal. Options that are not known here go to
// Other; one that is, with another length than it has, is an error.
func parseOptions(b []byte) (o Options, err error) {
	for len(b) > 0 && b[0] != optEnd {
		if b[0] == optNOP {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return Options{}, fmt.Errorf("parse option %d: length out of range", b[0])
		}
		n := b[1]
		if err := o.parse(b[:n]); err != nil {
			return Options{}, err
		}
		b = b[n:]
	}
	return o, nil
}

// parse takes one option, of which b is the whole.
func (o *Options) parse(b []byte) error {
	value := b[2:]
	switch kind := b[0]; {
	case kind == optMSS && len(value) == 2:
		o.MSS = binary.BigEndian.Uint16(value)
	case kind == optWindowScale && len(value) == 1:
		o.HasWindowScale, o.WindowScale = true, value[0]
	case kind == optSACKPermitted && len(value) == 0:
		o.SACKPermitted = true
	case kind == optTimestamps && len(value) == 8:
		o.HasTimestamps = true
		o.TSVal, o.TSEcr = binary.BigEndian.Uint32(value), binary.BigEndian.Uint32(value[4:])
	case kind == optSACK && len(value) > 0 && len(value)%8 == 0:
		for ; len(value) > 0; value = value[8:] {
			o.SACK = append(o.SACK, [2]uint32{binary.BigEndian.Uint32(value), binary.BigEndian.Uint32(value[4:])})
		}
	case kind <= optSACK || kind == optTimestamps:
		return fmt.Errorf("parse option %d: length %d", kind, len(b))
	default:
		o.Other = append(o.Other, b...)
	}
	return nil
}
