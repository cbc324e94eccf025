package resilience

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
)

// Metrics count tries and show breakers. Labels are dependencies and reasons, of which there are few. A nil one counts
// nothing.
type Metrics struct {
	attempts *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	breakers *prometheus.GaugeVec
}

// NewMetrics makes and registers the metrics; one for all policies and breakers of a process.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_attempts", Help: "How many tries work on a dependency took, by how it ended.",
			Buckets: prometheus.LinearBuckets(1, 1, 5),
		}, []string{"dependency", "outcome"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_retries_total", Help: "Tries that were made again, by the reason.",
		}, []string{"dependency", "reason"}),
		breakers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_breaker_state", Help: "The circuit breaker of a dependency: 0 closed, 1 half-open, 2 open.",
		}, []string{"dependency"}),
	}
	if err := errors.Join(registry.Register(m.attempts), registry.Register(m.retries), registry.Register(m.breakers)); err != nil {
		return nil, fmt.Errorf("register the metrics of dependencies: %w", err)
	}
	// From zero on, so that the first one is seen to be one more.
	for _, p := range []Policy{Database, Redis, External} {
		m.retries.WithLabelValues(p.Dependency, ReasonConnection)
	}
	return m, nil
}

func (m *Metrics) tried(dependency string, attempts uint, err error) {
	if m == nil || attempts == 0 {
		return
	}
	outcome := "success"
	if err != nil {
		outcome = "failure"
	}
	m.attempts.WithLabelValues(dependency, outcome).Observe(float64(attempts))
}

func (m *Metrics) retried(dependency, reason string) {
	if m != nil {
		m.retries.WithLabelValues(dependency, reason).Inc()
	}
}

func (m *Metrics) breaker(dependency string, state gobreaker.State) {
	if m != nil {
		m.breakers.WithLabelValues(dependency).Set(float64(state))
	}
}
