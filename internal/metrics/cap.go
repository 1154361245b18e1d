package metrics

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// capped is a Gatherer that leaves out what is more than max series, groups first,
// and tells how many that were.
type capped struct {
	from prometheus.Gatherer
	max  int

	mu      sync.Mutex // guards dropped
	dropped map[string]uint64
}

// Gather implements prometheus.Gatherer.
func (c *capped) Gather() ([]*dto.MetricFamily, error) {
	all, err := c.from.Gather()
	byWorth := slices.Clone(all)
	slices.SortStableFunc(byWorth, func(a, b *dto.MetricFamily) int { return worth(b) - worth(a) })
	left := c.max
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range byWorth {
		before := len(f.Metric)
		left -= cutFamily(f, left)
		if before > len(f.Metric) {
			c.count(f.GetName(), before-len(f.Metric))
		}
	}
	all = slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 })
	return c.tell(all, err)
}

// worth is how late a family is cut.
func worth(f *dto.MetricFamily) int {
	if f.GetName() == "tcpwatch_group_sockets" {
		return 0
	}
	return 1
}

// cutFamily leaves so many metrics that they make no more series than there is room
// for, and returns how many they make.
func cutFamily(f *dto.MetricFamily, room int) (taken int) {
	for i, m := range f.Metric {
		n := series(m)
		if taken+n > room {
			f.Metric = f.Metric[:i]
			break
		}
		taken += n
	}
	return taken
}

// series is how many a metric makes: a histogram has its buckets, +Inf, the sum and
// the count.
func series(m *dto.Metric) int {
	if h := m.Histogram; h != nil {
		return len(h.Bucket) + 3
	}
	return 1
}

func (c *capped) count(name string, n int) {
	if c.dropped == nil {
		c.dropped = map[string]uint64{}
	}
	c.dropped[name] += uint64(n)
}

// tell adds the family that tells what was left out: as many as there are families.
func (c *capped) tell(all []*dto.MetricFamily, err error) ([]*dto.MetricFamily, error) {
	r := prometheus.NewRegistry()
	r.MustRegister(droppedSeries(maps.Clone(c.dropped)))
	own, ownErr := r.Gather()
	if err == nil {
		err = ownErr
	}
	all = append(all, own...)
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all, err
}

// droppedSeries collects how many metrics of each family were left out.
type droppedSeries map[string]uint64

// Describe implements prometheus.Collector.
func (droppedSeries) Describe(ch chan<- *prometheus.Desc) { ch <- dropped }

// Collect implements prometheus.Collector.
func (d droppedSeries) Collect(ch chan<- prometheus.Metric) {
	for name, n := range d {
		emitter(ch).counter(dropped, n, name)
	}
}
