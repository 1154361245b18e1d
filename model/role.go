package model

// Role is how a connection was opened, seen from this socket (RFC 9293 3.5).
type Role uint8

const (
	RoleUnknown      Role = iota // met mid-life
	RoleActive                   // connect()
	RolePassive                  // born of a listener
	RoleSimultaneous             // connect() on both ends, the SYNs crossed
	RoleListener                 // listen()
)

var roleNames = [...]string{"unknown", "active", "passive", "simultaneous", "listener"}

// String returns the name in the public contract.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "unknown"
}

// ParseRole is the inverse of String.
func ParseRole(s string) (Role, bool) {
	for i, name := range roleNames {
		if name == s {
			return Role(i), true
		}
	}
	return 0, false
}
