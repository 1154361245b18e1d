package events

// Process is what is known of an owner beyond its name. The texts come from
// names that others chose: print them through package printable.
type Process struct {
	Container string // id or name, in full; empty if in none that is known
	Unit      string // of systemd; empty if none
	Cmdline   string // arguments with spaces between them; empty unless asked for
}

// MaxCmdline bounds Process.Cmdline, in bytes.
const MaxCmdline = 256
