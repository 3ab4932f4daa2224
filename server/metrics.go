package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the counters of a server, for Prometheus.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyd_requests_total",
			Help: "Requests by operation and AWS error code; the code of a success is empty.",
		}, []string{"operation", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "keyd_request_seconds",
			Help:    "Time from the end of the headers to the answer, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 18), // 0.1 ms to 13 s
		}, []string{"operation"}),
	}
	reg.MustRegister(m.requests, m.seconds)
	return m
}

// observe counts an answer. Names that clients make up are one label.
func (m *Metrics) observe(c *call, a answer, took time.Duration) {
	name := "other"
	if c.route != nil {
		name = c.route.op.Service.ID + "." + c.route.op.Name
	}
	m.requests.WithLabelValues(name, a.code).Inc()
	m.seconds.WithLabelValues(name).Observe(took.Seconds())
}
