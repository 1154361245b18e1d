// Package e2e tests the built program against the real kernel: what a user
// types, what comes out, and what independent witnesses (tracefs, ss, the
// generator's own counts) say of the same moment.
package e2e
