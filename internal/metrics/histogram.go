package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// bounds of the buckets, in ns: from a handshake on loopback to a forgotten
// connection.
var bounds = [...]uint64{100e3, 1e6, 10e6, 100e6, 1e9, 10e9, 60e9, 300e9, 3600e9}

// histogram counts durations. The library's own would do; this one is an array, and
// shows nothing until something is in it.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	sum     atomic.Uint64 // ns
}

func (h *histogram) observe(ns uint64) {
	i := 0
	for i < len(bounds) && ns > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(ns)
}

// collect makes the metric, and reports whether there is any.
func (h *histogram) collect(d *prometheus.Desc, labels ...string) (prometheus.Metric, bool) {
	var n uint64
	upTo := make(map[float64]uint64, len(bounds))
	for i, bound := range bounds {
		n += h.buckets[i].Load()
		upTo[float64(bound)/1e9] = n
	}
	n += h.buckets[len(bounds)].Load()
	if n == 0 {
		return nil, false
	}
	m, err := prometheus.NewConstHistogram(d, n, float64(h.sum.Load())/1e9, upTo, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	return m, true
}
