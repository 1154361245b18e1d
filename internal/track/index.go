package track

// index finds the slot of a socket by its address. It is a hash table with
// linear probing: a look-up touches one line of memory where a Go map touches
// several, and a table that stays as full as it is allocates nothing.
type index struct {
	entries []entry // a power of two, at most half full
	shift   uint8   // of a hash, to a place in entries
	n       int
}

type entry struct {
	sk   uint64
	slot int32 // +1; 0 is an empty entry
}

const minShift = 64 - 10

// home is where an address is looked for first (Fibonacci hashing).
func (x *index) home(sk uint64) int { return int(sk * 0x9e3779b97f4a7c15 >> x.shift) }

func (x *index) get(sk uint64) (slot int32, ok bool) {
	if x.n == 0 {
		return 0, false
	}
	for i := x.home(sk); ; i = (i + 1) & (len(x.entries) - 1) {
		switch e := &x.entries[i]; {
		case e.slot == 0:
			return 0, false
		case e.sk == sk:
			return e.slot - 1, true
		}
	}
}

// put enters an address that is not there.
func (x *index) put(sk uint64, slot int32) {
	if 2*x.n >= len(x.entries) {
		x.grow()
	}
	i := x.home(sk)
	for x.entries[i].slot != 0 {
		i = (i + 1) & (len(x.entries) - 1)
	}
	x.entries[i] = entry{sk, slot + 1}
	x.n++
}

func (x *index) grow() {
	old := x.entries
	if x.shift--; old == nil {
		x.shift = minShift
	}
	x.entries, x.n = make([]entry, 1<<(64-x.shift)), 0
	for _, e := range old {
		if e.slot != 0 {
			x.put(e.sk, e.slot-1)
		}
	}
}

// drop takes an address out, and closes the gap: those after it that are not
// at home move up.
func (x *index) drop(sk uint64) {
	if x.n == 0 {
		return
	}
	last := len(x.entries) - 1
	i := x.home(sk)
	for x.entries[i].sk != sk || x.entries[i].slot == 0 {
		if x.entries[i].slot == 0 {
			return
		}
		i = (i + 1) & last
	}
	for j := (i + 1) & last; x.entries[j].slot != 0; j = (j + 1) & last {
		// An entry may move to i unless its home lies after i on the way to j.
		if away := (j - x.home(x.entries[j].sk)) & last; away >= (j-i)&last {
			x.entries[i] = x.entries[j]
			i = j
		}
	}
	x.entries[i] = entry{}
	x.n--
}
