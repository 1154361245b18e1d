package tui

import (
	"github.com/tcpwatch/tcpwatch/internal/track"
	"github.com/tcpwatch/tcpwatch/model"
)

// recent is how long a closed socket stays in the ordinary table, in ns.
const recent = 10e9

// query is what the table is to show, and in which order.
type query struct {
	sort     int     // index into columns
	reverse  bool    // against the column's own direction
	closed   bool    // all closed sockets, not only the newest
	abnormal bool    // only what is abnormal or worse, open or closed
	only     *filter // what the program was started for; nil: everything
	filter   *filter
	pin      uint64 // a socket that stays for its open history
}

// view is one snapshot, sorted and filtered. Its buffers are used again and
// again.
type view struct {
	rows  []track.Row
	order []int32 // the rows to show, in order
	now   uint64  // ns since boot

	tally    tally  // of rows
	tallied  bool   // tally is
	changes  uint64 // of the table, as of rows; 0 if it was not asked
	since    uint64 // ns since boot: the rows are the same since then
	arranged query  // what order is made by

	keys, moreKeys []sortKey // for sorting
	text           []byte    // for searching
}

// at returns the row to show at a position.
func (v *view) at(position int) *track.Row { return &v.rows[v.order[position]] }

// find returns the position of a socket, -1 if it is not shown.
func (v *view) find(id uint64) int {
	for position, i := range v.order {
		if v.rows[i].ID == id {
			return position
		}
	}
	return -1
}

// take copies the rows of a table, unless they are the same as before.
func (v *view) take(t *track.Table, now uint64) {
	v.now = now
	if n := t.Changes(); n != v.changes || n == 0 {
		v.rows = t.Rows(v.rows[:0])
		v.changes, v.since, v.tallied = n, now, false
		v.arranged = query{}
	}
}

// count counts the rows.
func (v *view) count() tally {
	if !v.tallied {
		v.tally, v.tallied = tallyOf(v.rows), true
	}
	return v.tally
}

// inOrder reports whether the rows to show and their order are those that were
// arranged before: all grow older alike, and only what has just happened is moved by
// time alone.
func (v *view) inOrder(q *query) bool {
	return v.changes != 0 && v.arranged == *q && q.only == nil && q.filter == nil && v.now > v.since+recent
}

// arrange filters and sorts the rows.
func (v *view) arrange(q *query) {
	if v.inOrder(q) {
		return
	}
	v.arranged = query{}
	if v.now > v.since+recent {
		v.arranged = *q
	}
	v.order = v.order[:0]
	unlockOnly, unlock := q.only.lock(), q.filter.lock()
	for i := range v.rows {
		r := &v.rows[i]
		if v.inScope(q, r) && q.only.match(r, v) && q.filter.match(r, v) {
			v.order = append(v.order, int32(i))
		}
	}
	unlock()
	unlockOnly()
	v.sort(q)
}

// inScope reports whether the row is of the kind to show.
func (v *view) inScope(q *query, r *track.Row) bool {
	switch {
	case q.abnormal:
		return r.Verdict >= model.Abnormal
	case q.closed || r.ID == q.pin || r.Facts&track.Ended == 0 || held(r):
		return true
	}
	return r.EndTime+recent > v.now
}

// held reports whether the socket has ended, and something still refers to it.
func held(r *track.Row) bool { return r.Held() }

// closed reports whether the socket is over and done with.
func closed(r *track.Row) bool { return r.Facts&track.Ended != 0 && !held(r) }

// inState returns for how long the socket has been in its state, in ns, and
// whether that is exact; if not it is the least it can be, or negative if
// nothing is known.
func inState(r *track.Row, now uint64) (ns int64, exact bool) {
	switch {
	case r.Since != 0:
		return r.InState(now), true
	case r.Facts&track.OnlyFound != 0 && r.Born != 0:
		return int64(now - min(now, r.Born)), false
	}
	return -1, false
}

// age returns how long the socket has lived, or did live, in ns, and whether
// that is exact or only the least it can be.
func age(r *track.Row, now uint64) (ns int64, exact bool) {
	end := now
	if r.Facts&track.Ended != 0 && r.EndTime != 0 {
		end = r.EndTime
	}
	return int64(end - min(end, r.Born)), r.Facts&track.BeganBefore == 0
}
