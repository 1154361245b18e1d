package tui

import (
	"strconv"

	"github.com/tcpwatch/tcpwatch/events"
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// column is one column of the table.
type column struct {
	title      string
	long       string // for the help and the footer
	width      int    // the least it can do with
	wish       int    // what it likes
	most       int    // what it takes if there is room to spare
	rank       int    // the lowest are the last to go when the screen is narrow
	right      bool
	descending bool // the order that is looked for first
	key        func(r *track.Row, now uint64, k *sortKey)
	cell       func(u *ui, r *track.Row, width int) (string, style)
	search     func(b []byte, r *track.Row, now uint64) []byte
}

// columns are the columns from left to right.
var columns = [...]column{
	{title: "", long: "attention", width: 1, wish: 1, most: 1, rank: 0, descending: true,
		key: byAttention, cell: verdictCell, search: searchVerdict},
	{title: "STATE", long: "state", width: 11, wish: 11, most: 11, rank: 1,
		key: byState, cell: stateCell, search: searchState},
	{title: "IN STATE", long: "time in state", width: 8, wish: 8, most: 8, rank: 3, right: true, descending: true,
		key: byInState, cell: inStateCell},
	{title: "LOCAL", long: "local address", width: 15, wish: 20, most: 47, rank: 4,
		key: byLocal, cell: localCell, search: searchLocal},
	{title: "REMOTE", long: "remote address", width: 15, wish: 20, most: 47, rank: 2,
		key: byRemote, cell: remoteCell, search: searchRemote},
	{title: "ROLE", long: "role", width: 8, wish: 8, most: 8, rank: 10,
		key: byRole, cell: roleCell, search: searchRole},
	{title: "OWNER", long: "owner", width: 12, wish: 16, most: 24, rank: 5,
		key: byOwner, cell: ownerCell, search: searchOwner},
	{title: "UNREAD", long: "unread bytes", width: 6, wish: 6, most: 6, rank: 8, right: true, descending: true,
		key: byUnread, cell: unreadCell},
	{title: "RETR", long: "retransmits", width: 4, wish: 4, most: 4, rank: 9, right: true, descending: true,
		key: byRetransmits, cell: retransmitsCell},
	{title: "AGE", long: "age, or life of the closed", width: 7, wish: 7, most: 7, rank: 7, right: true, descending: true,
		key: byAge, cell: ageCell},
	{title: "END", long: "end", width: 14, wish: 16, most: 28, rank: 6, descending: true,
		key: byEnd, cell: endCell, search: searchEnd},
	{title: "NETNS", long: "network namespace", width: 10, wish: 10, most: 10, rank: 11, right: true,
		key: byNetns, cell: netnsCell, search: searchNetns},
}

func verdictCell(u *ui, r *track.Row, _ int) (string, style) {
	return u.glyphs.verdict(r.Verdict), verdictStyle(r.Verdict)
}

func searchVerdict(b []byte, r *track.Row, _ uint64) []byte { return append(b, r.Verdict.String()...) }

func stateCell(u *ui, r *track.Row, _ int) (string, style) {
	st := plainStyle
	if stays, _ := inState(r, u.view.now); stays >= settled && troubleOf(r) > trouble[model.SynRecv] {
		st = noteStyle
	}
	if held(r) {
		return "CLOSE held", st
	}
	switch {
	case r.Presumed:
		return r.Substate.String() + "?", st
	case r.Substate != 0:
		return r.Substate.String(), st
	}
	return r.State.String(), st
}

func searchState(b []byte, r *track.Row, _ uint64) []byte {
	b = append(b, r.State.String()...)
	if held(r) {
		b = append(b, " held"...)
	}
	return b
}

func inStateCell(u *ui, r *track.Row, _ int) (string, style) {
	ns, exact := inState(r, u.view.now)
	if !exact && ns >= 0 {
		return u.glyphs.atLeast + ticking(ns), dimStyle
	}
	return ticking(ns), plainStyle
}

func localCell(u *ui, r *track.Row, width int) (string, style) {
	return u.glyphs.fitEndpoint(endpoint(r.Family, &r.Saddr, r.Lport), width), plainStyle
}

func searchLocal(b []byte, r *track.Row, _ uint64) []byte {
	return appendEndpoint(b, r.Family, &r.Saddr, r.Lport)
}

func remoteCell(u *ui, r *track.Row, width int) (string, style) {
	return u.glyphs.fitEndpoint(endpoint(r.Family, &r.Daddr, r.Rport), width), plainStyle
}

func searchRemote(b []byte, r *track.Row, _ uint64) []byte {
	return appendEndpoint(b, r.Family, &r.Daddr, r.Rport)
}

func roleCell(_ *ui, r *track.Row, _ int) (string, style) {
	switch r.Role {
	case model.RoleUnknown:
		return "?", dimStyle
	case model.RoleSimultaneous:
		return "simult.", noteStyle
	}
	return r.Role.String(), plainStyle
}

func searchRole(b []byte, r *track.Row, _ uint64) []byte { return append(b, r.Role.String()...) }

func ownerCell(_ *ui, r *track.Row, _ int) (string, style) {
	if r.Owner.Provenance == events.ProvenanceExact {
		return owner(&r.Owner), plainStyle
	}
	return owner(&r.Owner), dimStyle
}

func searchOwner(b []byte, r *track.Row, _ uint64) []byte { return appendOwner(b, &r.Owner) }

func unreadCell(_ *ui, r *track.Row, _ int) (string, style) {
	if r.Unread == 0 {
		return "0", dimStyle
	}
	return short(uint64(r.Unread)), plainStyle
}

func retransmitsCell(_ *ui, r *track.Row, _ int) (string, style) {
	if r.Retransmits == 0 {
		return "0", dimStyle
	}
	return short(uint64(r.Retransmits)), noteStyle
}

func ageCell(u *ui, r *track.Row, _ int) (string, style) {
	ns, exact := age(r, u.view.now)
	text := ticking(ns)
	if r.Facts&track.Ended != 0 {
		text = span(ns)
	}
	if !exact {
		return u.glyphs.atLeast + text, dimStyle
	}
	return text, plainStyle
}

func endCell(_ *ui, r *track.Row, _ int) (string, style) {
	return rowEnd(r), verdictStyle(r.Verdict)
}

func searchEnd(b []byte, r *track.Row, _ uint64) []byte {
	if r.Facts&track.Ended == 0 {
		return b
	}
	return append(b, rowEnd(r)...)
}

func netnsCell(_ *ui, r *track.Row, _ int) (string, style) {
	return strconv.FormatUint(uint64(r.Netns), 10), dimStyle
}

func searchNetns(b []byte, r *track.Row, _ uint64) []byte {
	return strconv.AppendUint(b, uint64(r.Netns), 10)
}
