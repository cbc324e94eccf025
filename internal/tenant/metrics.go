package tenant

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
)

var tenants = prometheus.NewDesc("rollcall_tenants", "Tenants of the installation, by status.", []string{"status"}, nil)

// counts reports how many tenants there are; every instance reports the same.
type counts struct {
	*db.Sample[[]gendb.CountTenantsRow]
}

// NewCollector reports the number of tenants by status.
func NewCollector(d *db.DB) prometheus.Collector {
	return counts{db.NewSample(d, func(ctx context.Context, q *db.Queries) ([]gendb.CountTenantsRow, error) { return q.CountTenants(ctx) })}
}

// Describe sends the description of the metric.
func (c counts) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- tenants }

// Collect sends the metric for every status, of which there may be none; nothing that is old when the database does not answer.
func (c counts) Collect(metrics chan<- prometheus.Metric) {
	rows, err := c.Get()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(tenants, err)
		return
	}
	byStatus := map[Status]int64{Provisioning: 0, Active: 0, Suspended: 0}
	for _, row := range rows {
		byStatus[Status(row.Status)] = row.Count
	}
	for status, n := range byStatus {
		metrics <- prometheus.MustNewConstMetric(tenants, prometheus.GaugeValue, float64(n), string(status))
	}
}
