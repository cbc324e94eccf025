package webhook

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// newOutcomes counts attempts: delivered, failed (and due again), given_up.
func newOutcomes() *prometheus.CounterVec {
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_webhook_attempts_total", Help: "Attempts to deliver an event to a webhook on this instance, by outcome.",
	}, []string{"outcome"})
	for _, outcome := range []string{"delivered", "failed", "given_up"} { // from zero on, so that the first one is seen to be one more
		outcomes.WithLabelValues(outcome)
	}
	return outcomes
}

var oldest = prometheus.NewDesc("rollcall_webhook_oldest_undelivered_seconds",
	"Age of the oldest event that waits for an active webhook, over all active tenants; 0 when none does.", nil, nil)

// backlog reports on all tenants; every instance reports the same.
type backlog struct{ *db.Sample[float64] }

func newBacklog(d *db.DB) *backlog {
	return &backlog{db.NewSample(d, func(ctx context.Context, q *db.Queries) (float64, error) { return q.OldestUndelivered(ctx) })}
}

// Describe sends the description of the metric.
func (b *backlog) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- oldest }

// Collect sends the metric; none that is old when the database does not answer.
func (b *backlog) Collect(metrics chan<- prometheus.Metric) {
	seconds, err := b.Get()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(oldest, err)
		return
	}
	metrics <- prometheus.MustNewConstMetric(oldest, prometheus.GaugeValue, seconds)
}
