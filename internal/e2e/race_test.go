//go:build race

package e2e

// manyConnections are fewer under the race detector, which makes reading what
// the program prints ten times as slow, and has nothing to find in it.
const manyConnections = 2000
