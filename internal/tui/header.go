package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// segment is one part of the header, in forms from the longest to the
// shortest. A part with an empty form can go altogether.
type segment struct {
	forms [][]run
	form  int
}

// run is text in one style.
type run struct {
	style style
	text  string
}

func (s *segment) runs() []run { return s.forms[s.form] }

func (s *segment) width() int { return runsWidth(s.runs()) }

// The parts of the header, from left to right.
const (
	partBrand = iota
	partRate
	partSockets
	partTable
	partLost
	partVerdicts
	partComplete
	numParts
)

// shrinking is the order in which parts take a shorter form when the header
// does not fit. What is lost goes last.
var shrinking = [...]int{
	partTable, partSockets, partVerdicts, partBrand, partTable, partSockets, partComplete,
	partRate, partBrand, partRate, partSockets, partLost, partBrand, partVerdicts, partBrand,
}

// fitHeader chooses the forms that fit.
func fitHeader(parts []segment, between, width int) {
	for _, i := range shrinking {
		if headerWidth(parts, between) <= width {
			break
		}
		parts[i].form = min(parts[i].form+1, len(parts[i].forms)-1)
	}
	for _, i := range slices.Backward(shrinking[:]) { // the last step may have left room for another
		if s := &parts[i]; s.form > 0 {
			s.form--
			if headerWidth(parts, between) > width {
				s.form++
			}
		}
	}
}

func (m *ui) drawHeader(p *pen) {
	p.line()
	parts := m.headerParts()
	between := 3
	if m.width < 100 {
		between = 2
	}
	fitHeader(parts, between, m.width)
	first := true
	for i := range parts {
		width := parts[i].width()
		if width == 0 {
			continue
		}
		switch {
		case i == partComplete:
			p.fill(width)
		case !first:
			p.gap(between)
		}
		first = false
		for _, part := range parts[i].runs() {
			p.put(part.style, part.text)
		}
	}
}

func headerWidth(parts []segment, between int) int {
	total := -between
	for i := range parts {
		if n := parts[i].width(); n > 0 {
			total += n + between
		}
	}
	return total
}

func (m *ui) headerParts() []segment {
	parts := make([]segment, numParts)
	parts[partBrand].forms = m.brand()
	parts[partRate].forms = m.rateForms()
	parts[partSockets].forms = m.socketForms()
	parts[partTable].forms = m.tableForms()
	parts[partLost].forms = m.lostForms()
	parts[partVerdicts].forms = m.verdictForms()
	parts[partComplete].forms = m.completeForms()
	return parts
}

func one(st style, text string) []run { return []run{{st, text}} }

func (m *ui) brand() [][]run {
	mode := run{noteStyle, " " + m.counts.status}
	switch {
	case m.paused:
		mode = run{chipStyle, " PAUSED"}
	case m.ended:
		mode = run{warnStyle, " ended"}
	}
	name := run{brandStyle, "tcpwatch"}
	long := []run{name, mode}
	if m.title != "" {
		long = append(long, run{boldStyle, " " + m.title})
	}
	last := one(mode.style, strings.TrimPrefix(mode.text, " "))
	if !m.paused && !m.ended {
		last = nil
	}
	return [][]run{long, {name, mode}, last, nil}
}

func (m *ui) rateForms() [][]run {
	rate := m.meter.rate()
	return [][]run{one(plainStyle, grouped(rate)+" ev/s"), one(plainStyle, short(rate)+"/s"), nil}
}

func (m *ui) socketForms() [][]run {
	s := &m.counts.stats
	sep := m.glyphs.separator
	open, held, closed := grouped(uint64(s.Open)), grouped(uint64(s.Held)), grouped(uint64(s.Closed))
	return [][]run{
		one(plainStyle, "sockets "+open+" open"+sep+held+" held"+sep+closed+" closed"),
		one(plainStyle, open+" open"+sep+held+" held"),
		one(plainStyle, open+" open"),
		nil,
	}
}

func (m *ui) tableForms() [][]run {
	fill := m.counts.fill()
	st := plainStyle
	if fill >= 90 {
		st = warnStyle
	}
	text := "table " + strconv.Itoa(fill) + "%"
	return [][]run{
		one(st, text+" (evicted "+grouped(m.counts.stats.Evicted)+")"),
		one(st, text),
		nil,
	}
}

func (m *ui) lostForms() [][]run {
	lost := m.counts.stats.TotalLost()
	st := plainStyle
	if lost > 0 {
		st = alarmStyle
	}
	long := []run{{st, "lost " + grouped(lost) + m.counts.lostWhere()}}
	if m.counts.extra != "" {
		long = append(long, run{alarmStyle, " " + m.counts.extra})
	}
	return [][]run{long, one(st, "lost "+short(lost))}
}

func (m *ui) verdictForms() [][]run {
	c, g := &m.counts, m.glyphs
	list := [...]struct {
		n     uint64
		style style
		mark  string
		word  string
	}{
		{c.impossible(), alarmStyle, g.verdicts[4], "impossible"},
		{c.abnormal(), warnStyle, g.verdicts[3], "abnormal"},
		{c.unjudged(), plainStyle, g.verdicts[0], "unjudged"},
	}
	var long, brief []run
	for i, v := range list {
		if v.n == 0 {
			v.style = plainStyle
		}
		if i > 0 {
			long = append(long, run{dimStyle, g.separator})
			brief = append(brief, run{plainStyle, " "})
		}
		long = append(long, run{v.style, fmt.Sprintf("%s %s %s", v.mark, v.word, grouped(v.n))})
		brief = append(brief, run{v.style, v.mark + short(v.n)})
	}
	return [][]run{long, brief, nil}
}

func (m *ui) completeForms() [][]run {
	if lost := m.counts.stats.TotalLost(); lost > 0 {
		return [][]run{one(alarmStyle, grouped(lost)+" lost"), nil}
	}
	if m.counts.capacity == 0 {
		return [][]run{nil}
	}
	return [][]run{one(dimStyle, "complete"), nil}
}
