package tui

import "slices"

// manyKeys is from how many keys on radixSort is the faster one.
const manyKeys = 1000

// keyBytes is how many bytes of a sortKey are compared.
const keyBytes = 24

// sortKeys sorts keys. It may use spare, and returns both: the sorted ones
// first, whichever of the two buffers they are in.
func sortKeys(keys, spare []sortKey) (sorted, rest []sortKey) {
	if len(keys) < manyKeys {
		slices.SortFunc(keys, compare)
		return keys, spare
	}
	spare = slices.Grow(spare[:0], len(keys))[:len(keys)]
	return radixSort(keys, spare)
}

// radixSort sorts by one byte after the other, the least significant first. It
// skips bytes that are the same in all keys, which most are.
func radixSort(keys, spare []sortKey) (sorted, rest []sortKey) {
	var counts [keyBytes][256]uint32
	for i := range keys {
		k := &keys[i]
		for n := range 8 {
			counts[n][byte(k.tie>>(8*n))]++
			counts[8+n][byte(k.b>>(8*n))]++
			counts[16+n][byte(k.a>>(8*n))]++
		}
	}
	for n := range counts {
		if counts[n][keys[0].byte(n)] == uint32(len(keys)) {
			continue
		}
		next := uint32(0)
		for value, count := range counts[n] {
			counts[n][value] = next
			next += count
		}
		for i := range keys {
			at := &counts[n][keys[i].byte(n)]
			spare[*at] = keys[i]
			*at++
		}
		keys, spare = spare, keys
	}
	return keys, spare
}

// byte returns a byte of the key, 0 the least significant.
func (k *sortKey) byte(n int) byte {
	word := k.a
	switch n / 8 {
	case 0:
		word = k.tie
	case 1:
		word = k.b
	}
	return byte(word >> (n % 8 * 8))
}
