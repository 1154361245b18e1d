package alert

import "time"

// buckets is into how many parts a window is cut: as one part of it ends, what was
// counted in the oldest is forgotten.
const buckets = 20

// window counts what happened in the time just past. The zero value is not ready.
type window struct {
	width  uint64 // of one bucket, ns
	newest uint64 // number of the newest bucket since boot
	counts [buckets]uint64
}

func newWindow(d time.Duration) window { return window{width: max(1, uint64(d)/buckets)} }

// move forgets what is too old at time now, in ns since boot. Time does not run
// backwards: an event that is late counts as now.
func (w *window) move(now uint64) {
	to := now / w.width
	for w.newest < to {
		if to-w.newest >= buckets {
			w.counts = [buckets]uint64{}
			w.newest = to
			return
		}
		w.newest++
		w.counts[w.newest%buckets] = 0
	}
}

func (w *window) add(now, n uint64) {
	w.move(now)
	w.counts[w.newest%buckets] += n
}

func (w *window) sum(now uint64) (n uint64) {
	w.move(now)
	for _, c := range w.counts {
		n += c
	}
	return n
}

// maxPoints bounds a series.
const maxPoints = 64

// series is a number at some moments of a window, oldest first.
type series []point

type point struct {
	time  uint64 // ns since boot
	value float64
}

// add notes the number at a time. What is older than the window goes, but for one
// point: without it nothing would be known of the window's beginning.
func (s *series) add(now uint64, value float64, width time.Duration) {
	s.age(now, width)
	p := *s
	if n := len(p); n > 1 && p[n-1].time-p[n-2].time < uint64(width)/maxPoints*2 {
		p = p[:n-1] // too close to be worth keeping
	}
	*s = append(p, point{now, value})
}

// age forgets what is too old at time now.
func (s *series) age(now uint64, width time.Duration) {
	p := *s
	for len(p) > 1 && now-min(now, p[1].time) >= uint64(width) {
		p = p[1:]
	}
	*s = p
}

// slope is by how much the number grew a minute; 0 until that is known.
func (s series) slope() float64 {
	if len(s) < 2 {
		return 0
	}
	first, last := s[0], s[len(s)-1]
	if last.time <= first.time {
		return 0
	}
	return (last.value - first.value) / (float64(last.time-first.time) / float64(time.Minute))
}

// growth is by how much a counter grew in the window; one that began anew counts
// from 0.
func (s series) growth() (n float64) {
	for i := 1; i < len(s); i++ {
		if d := s[i].value - s[i-1].value; d >= 0 {
			n += d
		} else {
			n += s[i].value
		}
	}
	return n
}
