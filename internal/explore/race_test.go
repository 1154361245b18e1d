//go:build race

package explore

// narrow: the race detector takes ten times as long, and has nothing to find in one
// goroutine.
const narrow = true
