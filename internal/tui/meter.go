package tui

// meter measures how many events there are in each second, from a count that
// is read every now and then.
type meter struct {
	started bool
	total   uint64
	at      uint64 // ns since boot of the last reading
	since   uint64 // the first whole second
	seconds [meterSeconds]float64
}

// meterSeconds is the last minute and some to spare; a power of two.
const meterSeconds = 64

// minuteSeconds is how much of it is shown.
const minuteSeconds = 60

// add takes a reading. Events are spread evenly over the time since the last
// one: a replay runs faster than the clock.
func (m *meter) add(total, now uint64) {
	if !m.started || now < m.at || total < m.total {
		*m = meter{started: true, total: total, at: now, since: now/second + 1}
		return
	}
	count := float64(total - m.total)
	from, span := m.at, now-m.at
	m.total, m.at = total, now
	if span == 0 {
		m.seconds[now/second%meterSeconds] += count
		return
	}
	for s := from/second + 1; s <= now/second; s++ {
		if now/second-s < meterSeconds {
			m.seconds[s%meterSeconds] = 0
		}
	}
	for end := now; end > from && now/second-(end-1)/second < meterSeconds; {
		begin := max((end-1)/second*second, from)
		m.seconds[begin/second%meterSeconds] += count * float64(end-begin) / float64(span)
		end = begin
	}
}

// rate returns the events of the last whole second.
func (m *meter) rate() uint64 {
	s := m.at / second
	if !m.started || s <= m.since {
		return 0
	}
	return uint64(m.seconds[(s-1)%meterSeconds] + 0.5)
}

// minute returns the last minute in n values, the newest last: events per
// second, over whole seconds. Values keep the seconds they stand for as time
// goes on, so that a picture of them moves on without changing its shape.
func (m *meter) minute(n int) []float64 {
	values := make([]float64, n)
	now := m.at / second
	if n == 0 || now == 0 {
		return values
	}
	each := uint64((minuteSeconds + n - 1) / n)
	for i := range values {
		group := (now-1)/each + uint64(i) + 1
		if group < uint64(n) {
			continue
		}
		values[i] = m.mean((group-uint64(n))*each, each, now)
	}
	return values
}

// mean averages over the whole seconds from first that are known.
func (m *meter) mean(first, n, now uint64) float64 {
	sum, count := 0.0, 0
	for s := first; s < first+n && s < now; s++ {
		if s >= m.since && now-s < meterSeconds {
			sum += m.seconds[s%meterSeconds]
			count++
		}
	}
	if count == 0 {
		return 0
	}
	return sum / float64(count)
}

// sparkline draws values as bars, the largest at full height, if it is not a
// mere trickle.
func (g *glyphs) sparkline(values []float64) string {
	most := float64(len(g.bars) - 1)
	for _, v := range values {
		most = max(most, v)
	}
	text := make([]byte, 0, 3*len(values))
	for _, v := range values {
		text = append(text, g.bar(v, most)...)
	}
	return string(text)
}

// bar returns the bar of a value; what is not zero is seen.
func (g *glyphs) bar(v, most float64) string {
	if v <= 0 {
		return g.bars[0]
	}
	top := len(g.bars) - 1
	return g.bars[min(max(int(v/most*float64(top)+0.5), 1), top)]
}
