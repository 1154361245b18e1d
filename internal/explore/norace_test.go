//go:build !race

package explore

const narrow = false
