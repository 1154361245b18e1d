package events

import "github.com/tcpwatch/tcpwatch/model"

// Recorded is what a line of a recording says beyond the event: what tcpwatch
// knew of the socket when it wrote the line. A replay needs it where lines
// before this one were filtered out.
type Recorded struct {
	Role  model.Role
	Owner Owner
	Line  []byte // Closed: the line as it was written
}
