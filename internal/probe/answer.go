package probe

// Answer is what a probe of the kernel found out.
type Answer uint8

// The answers. The zero Answer is that of a probe that could not find out: the
// feature is then not used.
const (
	CannotTell Answer = iota
	No
	Yes
)

// String returns the answer in words.
func (a Answer) String() string {
	switch a {
	case Yes:
		return "yes"
	case No:
		return "no"
	}
	return "cannot tell"
}

// MarshalText implements encoding.TextMarshaler.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

func answer(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}
