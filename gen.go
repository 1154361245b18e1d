// Package tcpwatch is the root of the module; the command is cmd/tcpwatch.
//
// The kernel programs are C in bpf/, the vocabulary of what they emit is
// events/, the specification that each socket is checked against is model/.
// docs/architecture.md tells how they fit together.
package tcpwatch

// The objects are built once and committed, so that building tcpwatch needs no
// clang; -ffile-prefix-map keeps the builder's paths out of them.
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package bpf -output-dir bpf -output-stem tcpwatch -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v2 -ffile-prefix-map=$PWD/=" Tcpwatch bpf/tcpwatch.bpf.c
