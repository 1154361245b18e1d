package tui

// placed is a column on the screen.
type placed struct {
	index int // into columns
	width int
}

// gutter is the width of what marks the selected row.
const gutter = 1

// layOut chooses the columns for a screen, and how wide they are. It depends on
// the width alone: columns do not move about while one looks at them.
func layOut(width int) []placed {
	chosen := choose(width)
	room := width - gutter
	for _, p := range chosen {
		room -= p.width + 1
	}
	room = spread(chosen, room+1, func(c *column) int { return c.wish })
	spread(chosen, room, func(c *column) int { return c.most })
	return chosen
}

// essential is how many columns are squeezed onto a narrow screen. The others
// come when all before them have the width that they like.
const essential = 6

// choose takes columns by rank as long as they fit.
func choose(width int) []placed {
	var takes [len(columns)]bool
	least, wish := gutter-1, gutter-1 // no space follows the last column
	for rank := range columns {
		i := ranked(rank)
		c := &columns[i]
		used := least
		if rank >= essential {
			used = wish
		}
		if used+1+c.width > width {
			break
		}
		takes[i] = true
		least += 1 + c.width
		wish += 1 + c.wish
	}
	var chosen []placed
	for i, take := range takes {
		if take {
			chosen = append(chosen, placed{i, columns[i].width})
		}
	}
	return chosen
}

func ranked(rank int) int {
	for i := range columns {
		if columns[i].rank == rank {
			return i
		}
	}
	panic("a rank without a column")
}

// spread gives room to the columns that want it, a cell each in turn, up to a
// limit. It returns what is left.
func spread(chosen []placed, room int, limit func(*column) int) int {
	for given := true; given && room > 0; {
		given = false
		for i := range chosen {
			if room > 0 && chosen[i].width < limit(&columns[chosen[i].index]) {
				chosen[i].width++
				room--
				given = true
			}
		}
	}
	return room
}

// regions is how many lines each part of the screen has.
type regions struct {
	header, strip, heading, table, pane, footer int
}

// splitBody is the least body that has room for a table above a history.
const splitBody = 18

// regions divides the screen. What matters least goes first when it is low.
func (m *ui) regions() regions {
	var r regions
	left := m.height
	take := func(part *int, least int) {
		if m.height >= least {
			*part = 1
			left--
		}
	}
	take(&r.header, 1)
	take(&r.footer, 3)
	take(&r.heading, 4)
	take(&r.strip, 6)
	r.table = max(left, 0)
	switch {
	case !m.pane:
	case r.table >= splitBody:
		r.pane = r.table * 3 / 5
		r.table -= r.pane
	default:
		r.pane = r.table + r.heading
		r.table, r.heading = 0, 0
	}
	return r
}
