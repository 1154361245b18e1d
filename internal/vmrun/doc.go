// Package vmrun runs one static binary, usually a test binary, under another
// kernel: it packs an initramfs with itself as /init, boots one of Debian's
// cloud kernels in QEMU, passes the output through and returns the exit code.
//
// The command in cmd/vmrun is all that uses it. The kernels come from the
// mirror that this system's apt is set up for, pinned in kernels.lock.
package vmrun
