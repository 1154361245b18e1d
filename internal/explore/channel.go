package explore

import "math/bits"

// channel is every segment that one end has ever sent, as a set. Each may reach
// the other end at any later time, any number of times, in any order, or never:
// so it loses, delays, reorders and doubles, and what is resent is already there.
//
// Nothing is ever taken out, so a channel that holds more allows everything that
// one with less does.
type channel [4]uint64

func (c *channel) add(n int) { c[n/64] |= 1 << (n % 64) }

func (c *channel) addAll(d *channel) {
	for i := range c {
		c[i] |= d[i]
	}
}

// holds reports whether c has everything that d has.
func (c *channel) holds(d *channel) bool {
	for i := range c {
		if d[i]&^c[i] != 0 {
			return false
		}
	}
	return true
}

// without returns what c has and d has not.
func (c *channel) without(d *channel) (rest channel) {
	for i := range c {
		rest[i] = c[i] &^ d[i]
	}
	return rest
}

// each calls do with every segment's place in the alphabet.
func (c *channel) each(do func(n int)) {
	for i, word := range c {
		for ; word != 0; word &= word - 1 {
			do(i*64 + bits.TrailingZeros64(word))
		}
	}
}

// alphabet numbers the segments that were ever sent.
type alphabet struct {
	segments []segment
	places   map[segment]int
}

// place returns the number of a segment, a new one for a new segment.
func (a *alphabet) place(g segment) int {
	n, ok := a.places[g]
	if !ok {
		n = len(a.segments)
		if n == len(channel{})*64 {
			panic("BUG: more kinds of segments than a channel holds")
		}
		a.segments = append(a.segments, g)
		a.places[g] = n
	}
	return n
}
