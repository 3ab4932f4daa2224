package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the counters of a server, for Prometheus.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	other    routeMetrics // of what is no route
}

// routeMetrics are those of one route, found once.
type routeMetrics struct {
	name    string
	success prometheus.Counter
	seconds prometheus.Observer
}

func (m *Metrics) of(name string) routeMetrics {
	return routeMetrics{name, m.requests.WithLabelValues(name, ""), m.seconds.WithLabelValues(name)}
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
	m.other = m.of("other") // names that clients make up are one label
	return m
}

// observe counts an answer.
func (m *Metrics) observe(c *call, a answer, took time.Duration) {
	of := &m.other
	if c.route != nil {
		of = &c.route.metrics
	}
	if a.code == "" {
		of.success.Inc()
	} else {
		m.requests.WithLabelValues(of.name, a.code).Inc()
	}
	of.seconds.Observe(took.Seconds())
}
