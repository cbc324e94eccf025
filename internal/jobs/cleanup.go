package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// Tasks are all periodic tasks, on a pool.
func Tasks(d *db.DB) []Task {
	return []Task{
		{Name: "cleanup", Every: time.Hour, Run: Cleanup(d, batchSize)},
	}
}

// batchSize is how many rows one transaction deletes, so that none holds its locks for long.
const batchSize = 1000

// expired are the rows that nobody needs any more, and for how long they are kept. remove deletes at most limit rows that
// are older than before.
var expired = []struct {
	what   string
	keep   time.Duration
	remove func(q *db.Queries, ctx context.Context, before time.Time, limit int32) (int64, error)
}{
	// Kept for a while so that an owner who asks what happened can be answered.
	{"ended sessions", 30 * 24 * time.Hour, (*db.Queries).DeleteEndedSessions},
}

// Cleanup removes what has expired in a tenant, so many rows in one transaction.
func Cleanup(d *db.DB, batch int32) func(context.Context, uuid.UUID) error {
	return func(ctx context.Context, tenant uuid.UUID) error {
		for _, e := range expired {
			before := time.Now().Add(-e.keep)
			for removed := int64(batch); removed == int64(batch); {
				var err error
				removed, err = db.InTxValue(ctx, d, db.Tenant(tenant), db.Options{}, func(ctx context.Context, q *db.Queries) (int64, error) {
					return e.remove(q, ctx, before, batch)
				})
				if err != nil {
					return fmt.Errorf("remove %s: %w", e.what, err)
				}
			}
		}
		return nil
	}
}
