package db

import (
	"github.com/IBM/pgxpoolprometheus"
	"github.com/prometheus/client_golang/prometheus"
)

// Collector reports the pool's connections, and how long was waited for them; name tells it from other pools (label pool).
func (d *DB) Collector(name string) prometheus.Collector {
	return pgxpoolprometheus.NewCollector(d.pool, map[string]string{"pool": name})
}
