package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// newOutcomes counts attempts: delivered, failed (and due again), given_up.
func newOutcomes() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_webhook_attempts_total", Help: "Attempts to deliver an event to a webhook on this instance, by outcome.",
	}, []string{"outcome"})
}

var oldest = prometheus.NewDesc("rollcall_webhook_oldest_undelivered_seconds",
	"Age of the oldest event that waits for an active webhook, over all active tenants; 0 when none does.", nil, nil)

const (
	backlogTimeout = 2 * time.Second
	// backlogAge is how long an answer is good for: however often metrics are read, the database is asked this seldom.
	backlogAge = 5 * time.Second
)

// backlog reports on all tenants; every instance reports the same.
type backlog struct {
	db *db.DB

	mu      sync.Mutex
	seconds float64
	read    time.Time
}

func newBacklog(d *db.DB) *backlog { return &backlog{db: d} }

// Describe sends the description of the metric.
func (b *backlog) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- oldest }

// Collect sends the metric; none that is old when the database does not answer.
func (b *backlog) Collect(metrics chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.read) >= backlogAge {
		seconds, err := db.InTxValue(context.Background(), b.db, db.Control, db.Options{ReadOnly: true, Timeout: backlogTimeout},
			func(ctx context.Context, q *db.Queries) (float64, error) { return q.OldestUndelivered(ctx) })
		if err != nil {
			metrics <- prometheus.NewInvalidMetric(oldest, err)
			return
		}
		b.seconds, b.read = seconds, time.Now()
	}
	metrics <- prometheus.MustNewConstMetric(oldest, prometheus.GaugeValue, b.seconds)
}
