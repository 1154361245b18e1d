// Package e2e tests the built program against the real kernel. What it should
// print is never computed with its own code: the references are the kernel's
// tracing, ss, and what the tests themselves did.
//
// Other processes use TCP meanwhile: each test looks at the ports or at the
// network namespaces of its own sockets only.
package e2e
