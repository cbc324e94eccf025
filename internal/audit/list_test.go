package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

// In a long trail a filter that finds nothing reads next to nothing, by PostgreSQL's own statistics, also once the plan is
// one for any filter.
func TestList_filtersReadOnlyWhatTheyFind(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.in(t, `insert into audit_events (id, recorded_at, action, actor_kind, actor_id, resource_type, resource_id, change)
		select audit_event_id(now() + n * interval '1 second'), now() + n * interval '1 second', 'a' || n % 20, 'user',
			md5((n % 300)::text)::uuid, 'student', md5((n % 20000)::text)::uuid, 'update' from generate_series(1, 30000) n`)
	s.in(t, "vacuum analyze audit_events")
	pool, err := db.Open(t.Context(), db.Config{URL: s.URL, MaxConns: 1, Timeout: time.Minute})
	require.NoError(t, err)
	nobody := uuid.New()
	future := uuid.MustParse("ffffffff-0000-7000-8000-000000000000")
	before := s.rowsRead(t)
	queries := int64(0)
	for _, p := range []gendb.ListAuditEventsParams{
		{}, {ResourceID: &nobody}, {ActorID: &nobody}, {Action: new("nothing")}, {ResourceType: new("nothing")}, {FromID: &future}, {AfterID: new(uuid.UUID)},
	} {
		p.RowLimit = 21
		for range 8 {
			require.NoError(t, pool.InTx(t.Context(), db.Tenant(seed.DemoTenant), db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
				_, err := q.ListAuditEvents(ctx, p)
				return err
			}))
			queries++
		}
	}
	pool.Close() // its connection hands in its statistics as it ends
	require.Eventually(t, func() bool { return s.rowsRead(t) > before }, 20*time.Second, 20*time.Millisecond)
	read := s.rowsRead(t) - before
	t.Logf("%d lists of 30,000 events read %d rows", queries, read)
	assert.LessOrEqual(t, read, 21*queries)
}

// rowsRead is how many rows of the trail have been read.
func (s school) rowsRead(t testing.TB) int64 {
	t.Helper()
	return dbtest.Value[int64](t, s.Database, `select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_all_tables where schemaname = $1 and relname = 'audit_events'`, s.schema)
}
