package db

import "github.com/prometheus/client_golang/prometheus"

// connectionMetrics are what is to be said of the connections to a server.
type connectionMetrics struct {
	node *node

	limit, open, used, waiting, waits, waited, made *prometheus.Desc
}

func newConnectionMetrics(n *node, pool string) *connectionMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_connections_"+name, help, nil, prometheus.Labels{"pool": pool})
	}
	return &connectionMetrics{
		node:    n,
		limit:   desc("limit", "Connections to PostgreSQL that there may be."),
		open:    desc("open", "Connections to PostgreSQL that there are."),
		used:    desc("used", "Connections that run a transaction, or are being made for one."),
		waiting: desc("waiting", "Transactions that wait for a connection."),
		waits:   desc("waits_total", "Transactions that had to wait for a connection."),
		waited:  desc("wait_seconds_total", "How long they waited."),
		made:    desc("made_total", "Connections that were made."),
	}
}

// Describe is for the registry.
func (m *connectionMetrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect is for the registry.
func (m *connectionMetrics) Collect(to chan<- prometheus.Metric) {
	var open, made int64
	for _, slot := range m.node.connections {
		stat := slot.Stat()
		open, made = open+int64(stat.TotalConns()), made+stat.NewConnsCount()
	}
	used, waiting := m.node.slots.count()
	waits, waited := m.node.slots.waits()
	gauge := func(d *prometheus.Desc, v int) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	counter := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	gauge(m.limit, len(m.node.connections))
	gauge(m.open, int(open))
	gauge(m.used, used)
	gauge(m.waiting, waiting)
	counter(m.waits, float64(waits))
	counter(m.waited, waited.Seconds())
	counter(m.made, float64(made))
}

// Collector reports the connections to the primary, and how long was waited for them; name tells them from others (label pool).
func (d *DB) Collector(name string) prometheus.Collector {
	return newConnectionMetrics(d.primary, name)
}

// ReplicaCollector is Collector for the replica; nil without one.
func (d *DB) ReplicaCollector(name string) prometheus.Collector {
	if d.replica == nil {
		return nil
	}
	return newConnectionMetrics(d.replica, name)
}
