package db_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// TestTenants_withTheSameIDsOverOneConnection alternates between two tenants on a pool of one, and cancels requests at
// random moments: no request may ever see the other tenant's row.
func TestTenants_withTheSameIDsOverOneConnection(t *testing.T) {
	t.Parallel()
	requests := 10_000
	if testing.Short() {
		requests = 1_000
	}
	s := newSchool(t)
	row := uuid.New()
	tenants := map[uuid.UUID]string{s.tenant.ID: "Own", s.Tenant(t, "other").ID: "Other"}
	ids := make([]uuid.UUID, 0, 2)
	for id, name := range tenants {
		ids = append(ids, id)
		s.Exec(t, "insert into "+db.SchemaName(id)+".institutions (id, name, code) values ($1, $2, 'A')", row, name)
	}
	pool := s.Open(t, db.Config{MaxConns: 1})
	random := rand.New(rand.NewPCG(1, 2))

	served, canceled := 0, 0
	begin := time.Now()
	for i := range requests {
		id := ids[i%2]
		ctx, cancel := context.WithCancel(t.Context())
		if random.IntN(30) == 0 { // not more, because every connection that is lost takes some 30 ms to replace
			// Requests take about a millisecond: this ends them before, in and between their statements.
			time.AfterFunc(time.Duration(random.IntN(1000))*time.Microsecond, cancel)
		}
		name, err := readName(ctx, pool, id, row)
		cancel()
		if apperr.KindOf(err) == apperr.Canceled || apperr.KindOf(err) == apperr.OutcomeUnknown {
			canceled++
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tenants[id], name, "request %d saw another tenant's row", i)
		served++
	}
	t.Logf("%d requests in %v: %d served, %d canceled, 0 wrong; %d connections", requests,
		time.Since(begin).Round(time.Millisecond), served, canceled, connectionsMade(t, s))
	assert.Positive(t, canceled)
	assert.Greater(t, served, requests*9/10)
}

// readName reads the row twice, the first time with a lock, which a cancellation could leave behind.
func readName(ctx context.Context, pool *db.DB, id, row uuid.UUID) (string, error) {
	return db.InTxValue(ctx, pool, db.Tenant(id), db.Options{}, func(ctx context.Context, q *db.Queries) (string, error) {
		locked, err := q.LockInstitution(ctx, row)
		if err != nil {
			return "", err
		}
		got, err := q.GetInstitution(ctx, row)
		if err == nil && got.Name != locked.Name {
			return "", errors.New("two statements of one transaction saw different tenants")
		}
		return got.Name, err
	})
}

func connectionsMade(t *testing.T, s school) int {
	t.Helper()
	s.Exec(t, "select pg_stat_force_next_flush()")
	return dbtest.Value[int](t, s.Database, "select sessions from pg_stat_database where datname = current_database()")
}
