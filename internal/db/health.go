package db

import "context"

// Health is what is known of one server.
type Health struct {
	Up      bool
	Breaker string // closed, half-open or open
}

// Health asks the primary for a sign of life. When all connections are in use, an answer that one of them has had
// meanwhile is as good.
func (d *DB) Health(ctx context.Context) Health { return d.primary.health(ctx) }

// ReplicaHealth asks the replica for a sign of life; there is false when there is no replica.
func (d *DB) ReplicaHealth(ctx context.Context) (h Health, there bool) {
	if d.replica == nil {
		return Health{}, false
	}
	return d.replica.health(ctx), true
}

// InUse is how many connections run transactions, or are being made.
func (d *DB) InUse() int {
	used, _ := d.primary.slots.count()
	if d.replica != nil {
		replica, _ := d.replica.slots.count()
		used += replica
	}
	return used
}
