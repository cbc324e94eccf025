package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// Tasks are all periodic tasks, on a pool.
func Tasks(d *db.DB, log *slog.Logger) []Task {
	return []Task{
		{Name: "cleanup", Every: time.Hour, Run: Cleanup(d, batchSize)},
		{Name: "seal-audit", Every: time.Minute, Run: Seal(d, log, sealSize)},
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
	// shared ones are in the control schema; each tenant's run does its part.
	shared bool
}{
	// Kept for a while so that an owner who asks what happened can be answered.
	{what: "ended sessions", keep: 30 * 24 * time.Hour, remove: (*db.Queries).DeleteEndedSessions},
	// By then all failures have faded.
	{what: "tries at passwords", keep: 24 * time.Hour, remove: (*db.Queries).DeleteOldGuesses},
	{what: "answers to repeated requests", keep: 24 * time.Hour, remove: (*db.Queries).DeleteOldKeys},
	// Replaying needs them.
	{what: "events and their deliveries", keep: 30 * 24 * time.Hour, remove: (*db.Queries).DeleteOldEvents},
	{what: "tries of addresses", keep: 24 * time.Hour, remove: (*db.Queries).DeleteOldGuesses, shared: true},
}

// Cleanup removes what has expired in a tenant, so many rows in one transaction.
func Cleanup(d *db.DB, batch int32) func(context.Context, uuid.UUID) error {
	return func(ctx context.Context, tenant uuid.UUID) error {
		for _, e := range expired {
			before, scope := time.Now().Add(-e.keep), db.Tenant(tenant)
			if e.shared {
				scope = db.Control
			}
			for removed := int64(batch); removed == int64(batch); {
				var err error
				removed, err = db.InTxValue(ctx, d, scope, db.Options{}, func(ctx context.Context, q *db.Queries) (int64, error) {
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
