//go:build !race

package e2e

const manyConnections = 20000
