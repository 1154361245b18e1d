package tui

import (
	"slices"
	"testing"
)

func TestBothSortsAgree(t *testing.T) {
	v := &view{rows: crowd(3 * manyKeys), now: start + 60*second}
	for i := range columns {
		for _, reverse := range []bool{false, true} {
			v.arrange(&query{sort: i, reverse: reverse})
			want := slices.Clone(v.keys)
			slices.SortFunc(want, compare)
			if !slices.Equal(v.keys, want) {
				t.Errorf("%s, reverse %v: the order differs", columns[i].long, reverse)
			}
		}
	}
}
