package vmrun

import _ "embed" // for the lock

// BuiltinLock is the lock as of when this program was built.
//
//go:embed kernels.lock
var BuiltinLock string
