package explore

// number is a sequence number: few are needed, and they are compared as TCP
// compares its own (RFC 9293 3.4).
type number uint8

func (n number) before(m number) bool { return int8(n-m) < 0 }
func (n number) after(m number) bool  { return m.before(n) }

const (
	// firstISS and nextISS: each connection of an end begins far behind the last
	// one, as the clock of RFC 9293 3.4.1 has it.
	firstISS number = 32
	nextISS  number = 32

	// window is what an end accepts: more than one connection uses, and less than
	// lies between two.
	window number = 8
)

// control is the control bits of a segment that matter here.
type control uint8

const (
	syn control = 1 << iota
	fin
	rst
	ack
)

// segment is one segment (RFC 9293 3.1).
type segment struct {
	control  control
	seq, ack number
	length   number // of its data
}

func (g segment) has(c control) bool { return g.control&c != 0 }

// end is the number after the segment: SYN and FIN take one each.
func (g segment) end() number {
	end := g.seq + g.length
	if g.has(syn) {
		end++
	}
	if g.has(fin) {
		end++
	}
	return end
}

// dataEnd is the number after the segment's data.
func (g segment) dataEnd() number {
	if g.has(fin) {
		return g.end() - 1
	}
	return g.end()
}

// acceptable reports whether any of the segment may be new to who expects next
// (RFC 9293 3.10.7.4, first; tcp_sequence).
func (g segment) acceptable(next number) bool {
	return !g.end().before(next) && !g.seq.after(next+window)
}

// reset answers a segment that belongs to nothing (RFC 9293 3.10.7.1).
func (g segment) reset() segment {
	if g.has(ack) {
		return segment{control: rst, seq: g.ack}
	}
	return segment{control: rst | ack, ack: g.end()}
}
