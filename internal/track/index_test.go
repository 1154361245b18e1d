package track

import (
	"math/rand/v2"
	"testing"
)

// The index is a map: whatever is put and dropped, in crowded places too.
func TestIndexIsAMap(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 4))
		var x index
		want := map[uint64]int32{}
		for range 20000 {
			sk := rng.Uint64N(3000) * []uint64{1, 64, 2304, 1 << 40}[seed%4]
			if _, ok := want[sk]; ok && rng.IntN(2) == 0 {
				delete(want, sk)
				x.drop(sk)
			} else if !ok {
				want[sk] = rng.Int32N(1 << 30)
				x.put(sk, want[sk])
			}
			x.drop(1<<63 + sk) // not there
			other := rng.Uint64N(3000)
			slot, ok := x.get(other)
			if w, there := want[other]; ok != there || slot != w {
				t.Fatalf("seed %d: %d is at %d, %v; want %d, %v", seed, other, slot, ok, w, there)
			}
			if x.n != len(want) {
				t.Fatalf("seed %d: %d addresses, want %d", seed, x.n, len(want))
			}
		}
		for sk, slot := range want {
			if got, ok := x.get(sk); !ok || got != slot {
				t.Fatalf("seed %d: %d is at %d, %v; want %d", seed, sk, got, ok, slot)
			}
		}
	}
}
