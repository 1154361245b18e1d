// Package soak holds tcpwatch to the kernel's own counters while real software
// makes connections: nothing may be called impossible or unjudged, and what is
// called abnormal must be what the kernel counted. It has tests only.
package soak
