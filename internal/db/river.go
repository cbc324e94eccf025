package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// RiverSchema is the schema of the job queue's own tables. Tenants and registry are in others.
const RiverSchema = "river"

// riverConns is how many connections the queue works with, besides those for transactions.
const riverConns = 2

// River is the job queue's way to the primary. The queue begins transactions of its own, in RiverSchema only, on connections of its
// own. It is called once, and does not connect.
func (d *DB) River() (*riverpgxv5.Driver, error) {
	config := d.primary.config.Copy()
	config.MaxConns = riverConns
	var err error
	if d.queue, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		return nil, fmt.Errorf("make the queue's connection pool: %w", err)
	}
	return riverpgxv5.New(d.queue), nil
}
