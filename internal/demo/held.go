package demo

// maxHeld bounds how many connections of each kind of address are held open;
// more rounds than that let go of the oldest.
const maxHeld = 16

// held are connections that stay open until Run ends.
type held []*ends

func (h *held) add(e *ends) {
	if len(*h) == maxHeld {
		(*h)[0].part()
		*h = (*h)[1:]
	}
	*h = append(*h, e)
}

func (h *held) close() {
	for _, e := range *h {
		e.part()
	}
	*h = nil
}

// part closes a held connection orderly: the client, then, when it has read the
// end, the server.
func (e *ends) part() {
	if e.limit() == nil && e.client.Close() == nil {
		_ = readEnd(e.server) // both are closed all the same
	}
	e.close()
}
