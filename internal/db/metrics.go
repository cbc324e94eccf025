package db

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// Metrics count tries, breakers, and where reads ran. A nil one counts nothing.
type Metrics struct {
	resilience *resilience.Metrics
	reads      *prometheus.CounterVec
}

// NewMetrics makes and registers the metrics of a database with a replica; those of tries and breakers are shared with
// other dependencies.
func NewMetrics(registry prometheus.Registerer, shared *resilience.Metrics) (*Metrics, error) {
	m := &Metrics{resilience: shared, reads: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_replica_reads_total",
		Help: "Reads that may run on the replica: served by it, or by the primary because it was behind or failed.",
	}, []string{"outcome"})}
	if err := registry.Register(m.reads); err != nil {
		return nil, fmt.Errorf("register the metrics of the replica: %w", err)
	}
	// From zero on, so that the first one is seen to be one more.
	for _, outcome := range []string{replicaServed, replicaBehind, replicaFailed} {
		m.reads.WithLabelValues(outcome)
	}
	return m, nil
}

func (m *Metrics) dependencies() *resilience.Metrics {
	if m == nil {
		return nil
	}
	return m.resilience
}

func (m *Metrics) replica(outcome string) {
	if m != nil {
		m.reads.WithLabelValues(outcome).Inc()
	}
}
