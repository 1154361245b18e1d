package events

// Owner is who a socket belongs to, and how that is known.
type Owner struct {
	PID        uint32
	FD         int32 // -1 if not known
	Comm       [16]byte
	Provenance Provenance
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
