package db_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// newTenants is a database with tenants whose orders of slots begin differently, up to n.
func newTenants(t *testing.T, n int) (d *dbtest.Database, tenants []uuid.UUID) {
	t.Helper()
	d = dbtest.New(t)
	for i := range n {
		id := uuid.New()
		id[12], id[13], id[14], id[15] = 0, 0, 0, byte(i)
		tenants = append(tenants, d.TenantWithID(t, id, fmt.Sprintf("tenant-%d", i)).ID)
	}
	return d, tenants
}

// serve reads in a tenant, and says which process of PostgreSQL did it.
func serve(t *testing.T, pool *db.DB, tenant uuid.UUID) (pid uint32) {
	t.Helper()
	err := pool.InTx(t.Context(), db.Tenant(tenant), db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
		pid = db.Conn(ctx).PgConn().PID()
		_, err := q.CountInstitutions(ctx, 10)
		return err
	})
	require.NoError(t, err)
	return pid
}

func TestConnections_aTenantKeepsToItsOwn(t *testing.T) {
	t.Parallel()
	d, tenants := newTenants(t, 3)
	pool := d.Open(t, db.Config{MaxConns: 3})
	pids := map[uuid.UUID]uint32{}
	for range 3 {
		for _, id := range tenants {
			pid := serve(t, pool, id)
			if pids[id] != 0 {
				assert.Equal(t, pids[id], pid)
			}
			pids[id] = pid
		}
	}
	assert.NotEqual(t, pids[tenants[0]], pids[tenants[1]])
	assert.NotEqual(t, pids[tenants[1]], pids[tenants[2]])
}

// PostgreSQL keeps what a connection has learnt of a tenant until it is closed.
func TestConnections_oneThatHasMetTooManyTenantsIsReplaced(t *testing.T) {
	t.Parallel()
	d, tenants := newTenants(t, 3)
	pool := d.Open(t, db.Config{MaxConns: 1, MaxTenants: 2})
	first := serve(t, pool, tenants[0])
	assert.Equal(t, first, serve(t, pool, tenants[1]))
	assert.Equal(t, first, serve(t, pool, tenants[0]))
	assert.Equal(t, first, serve(t, pool, tenants[2]), "the one too many is served still")
	assert.NotEqual(t, first, serve(t, pool, tenants[0]))

	registry := prometheus.NewRegistry()
	registry.MustRegister(pool.Collector("test"))
	assert.Equal(t, 7, testutil.CollectAndCount(pool.Collector("test")))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

// Each tenant's statement is prepared, and planned, for itself: one that is run in two schemas in turn would be planned each time.
func TestConnections_whatIsPreparedIsPlannedOnceForEachTenantAndIsBounded(t *testing.T) {
	t.Parallel()
	d, tenants := newTenants(t, 3)
	pool := d.Open(t, db.Config{MaxConns: 1})
	prepared := func() (n, planned, executed int64) {
		require.NoError(t, pool.InTx(t.Context(), db.Tenant(tenants[0]), db.ReadOnly, func(ctx context.Context, _ *db.Queries) error {
			return db.Conn(ctx).QueryRow(ctx, `select count(*), count(*) filter (where generic_plans > 0), sum(generic_plans) from pg_catalog.pg_prepared_statements
				where statement like '-- name: CountInstitutions%'`, pgx.QueryExecModeExec).Scan(&n, &planned, &executed)
		}))
		return n, planned, executed
	}
	for range 3 {
		for _, id := range tenants {
			serve(t, pool, id)
		}
	}
	n, planned, executed := prepared()
	assert.Equal(t, []int64{3, 3, 9}, []int64{n, planned, executed})

	require.NoError(t, pool.InTx(t.Context(), db.Tenant(tenants[0]), db.ReadOnly, func(ctx context.Context, _ *db.Queries) error {
		db.LimitPrepared(ctx, 2)
		return nil
	}))
	for _, id := range tenants {
		serve(t, pool, id)
	}
	n, _, _ = prepared()
	assert.LessOrEqual(t, n, int64(2))
}

// After a migration what is prepared may be stale, on every connection.
func TestConnections_whatIsPreparedIsForgottenWhenTablesChange(t *testing.T) {
	t.Parallel()
	d, tenants := newTenants(t, 2)
	pool := d.Open(t, db.Config{MaxConns: 2})
	read := func(id uuid.UUID) (attempts int) {
		require.NoError(t, pool.InTx(t.Context(), db.Tenant(id), db.ReadOnly, func(ctx context.Context, _ *db.Queries) error {
			attempts++
			return db.Run(ctx, "select * from changing")
		}))
		return attempts
	}
	for _, id := range tenants {
		d.Exec(t, "create table "+db.SchemaName(id)+".changing (a text); grant select on "+db.SchemaName(id)+".changing to public")
		read(id)
		read(id)
		d.Exec(t, "alter table "+db.SchemaName(id)+".changing add column b text")
	}
	assert.Equal(t, 2, read(tenants[0]))
	assert.Equal(t, 1, read(tenants[1]))
}

// What is planned for each execution does not make the rest of a transaction so, with its triggers.
func TestConnections_aStatementThatIsPlannedEachTimeLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	const each = "-- name: Each :exec\nselect set_config('test.seen', current_setting('test.seen', true) || ' ' || current_setting('plan_cache_mode'), true) where ($1::text is null or 'a' = $1)"
	const once = "select set_config('test.seen', coalesce(current_setting('test.seen', true), '') || ' ' || current_setting('plan_cache_mode'), true)"
	var seen string
	for range 2 {
		require.NoError(t, pool.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, func(ctx context.Context, _ *db.Queries) error {
			for _, sql := range []string{once, each, once} {
				args := []any{}
				if sql == each {
					args = append(args, "a")
				}
				if err := db.Run(ctx, sql, args...); err != nil {
					return err
				}
			}
			return db.Conn(ctx).QueryRow(ctx, "select current_setting('test.seen')").Scan(&seen)
		}))
		assert.Equal(t, " force_generic_plan force_custom_plan force_generic_plan", seen)
	}
}

func TestConnections_neitherCompileNorStartWorkersAndPlanOnceWhatIsPrepared(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for url, want := range map[string]string{s.URL: "off 0 force_generic_plan", s.Pooled(t): "off 0 auto"} {
		var settings string
		require.NoError(t, s.run(t.Context(), s.Open(t, db.Config{URL: url}), db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select concat_ws(' ', current_setting('jit'), current_setting('max_parallel_workers_per_gather'), current_setting('plan_cache_mode'))").Scan(&settings)
		}))
		assert.Equal(t, want, settings, url)
	}
}
