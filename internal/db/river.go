package db

import "github.com/riverqueue/river/riverdriver/riverpgxv5"

// RiverSchema is the schema of the job queue's own tables. Tenants and registry are in others.
const RiverSchema = "river"

// River is the job queue's way to this pool. The queue begins transactions of its own on it, in RiverSchema only.
func (d *DB) River() *riverpgxv5.Driver { return riverpgxv5.New(d.primary.pool) }
