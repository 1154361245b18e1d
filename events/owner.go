package events

// Owner is who a socket belongs to, and how that is known.
type Owner struct {
	// Seen is when PID was certainly this process's number, in ns since boot; 0
	// in a recording.
	Seen       uint64
	PID        uint32
	FD         int32 // -1 if not known
	Comm       [16]byte
	Provenance Provenance
	Note       Note
}

// Named reports whether there is a process to name.
func (w *Owner) Named() bool {
	return w.Provenance == ProvenanceExact || w.Provenance == ProvenanceInherited
}

// Provenance says how an owner is known.
type Provenance uint8

const (
	ProvenanceUnknown   Provenance = iota // nobody was seen to act on the socket
	ProvenanceInherited                   // the listener's owner; nobody has touched the child yet
	ProvenanceExact                       // a process acted on it, or holds an fd of it
	ProvenanceKernel                      // a socket of the kernel's own
)

var provenanceNames = [...]string{"unknown", "inherited", "exact", "kernel"}

// String returns the name in the public contract.
func (p Provenance) String() string {
	if int(p) < len(provenanceNames) {
		return provenanceNames[p]
	}
	return "unknown"
}

// ParseProvenance is the inverse of String.
func ParseProvenance(s string) (Provenance, bool) {
	for i, name := range provenanceNames {
		if name == s {
			return Provenance(i), true
		}
	}
	return 0, false
}

// Note says why a found socket has no process of its own.
type Note uint8

const (
	NoteNone        Note = iota
	NoteInFlight         // no fd refers to it: in flight between processes, or held in the kernel
	NoteNotAccepted      // its listener's process has not accepted it yet
	NoteOrphan           // its process has closed it; the kernel ends it
	NumNote
)

var noteNames = [NumNote]string{"", "in_flight", "not_accepted", "orphan"}

// String returns the name in the public contract, "" for none.
func (n Note) String() string {
	if int(n) < len(noteNames) {
		return noteNames[n]
	}
	return ""
}

// ParseNote is the inverse of String. What it does not know is none.
func ParseNote(s string) Note {
	for i, name := range noteNames {
		if name == s {
			return Note(i)
		}
	}
	return NoteNone
}
