package db_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// replicated is a primary of the test's own, with one tenant, and a replica of it.
type replicated struct {
	school

	primary string
	replica *dbtest.Cluster
}

func newReplicated(t *testing.T) replicated {
	t.Helper()
	primary := dbtest.NewCluster(t)
	require.NoError(t, tenant.NewMigrator(primary.URL).Up(t.Context(), nil))
	demo, err := createTenant(t.Context(), primary.URL)
	require.NoError(t, err)
	return replicated{
		school:  school{tenant: demo, schema: db.SchemaName(demo.ID)},
		primary: primary.URL, replica: dbtest.NewReplica(t, primary.URL),
	}
}

// instance is one process of the service, as far as its database is concerned.
func (r replicated) instance(t *testing.T, registry *prometheus.Registry) *db.DB {
	t.Helper()
	metrics, err := db.NewMetrics(registry, nil)
	require.NoError(t, err)
	d, err := db.Open(t.Context(), db.Config{URL: r.primary, ReplicaURL: r.replica.URL, Metrics: metrics})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// request is what the gate does with one: it authenticates, and then lets reads go to the replica.
func (r replicated) request(t *testing.T, d *db.DB) context.Context {
	t.Helper()
	ctx := d.WithPosition(t.Context())
	require.False(t, r.onReplica(ctx, t, d, db.ReadOnly), "authentication is on the primary")
	db.AllowReplica(ctx)
	return ctx
}

// onReplica reports where a transaction runs.
func (r replicated) onReplica(ctx context.Context, t *testing.T, d *db.DB, opts db.Options) (on bool) {
	t.Helper()
	require.NoError(t, r.run(ctx, d, opts, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&on)
	}))
	return on
}

func (r replicated) write(ctx context.Context, t *testing.T, d *db.DB, name string) {
	t.Helper()
	require.NoError(t, r.run(ctx, d, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, name) }))
}

// finds reports whether a request reads a name, and where.
func (r replicated) finds(ctx context.Context, t *testing.T, d *db.DB, name string) (found, onReplica bool) {
	t.Helper()
	snapshot := db.Options{ReadOnly: true, Isolation: db.RepeatableRead}
	require.NoError(t, r.run(ctx, d, snapshot, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select exists (select from institutions where name = $1), pg_is_in_recovery()", name).Scan(&found, &onReplica)
	}))
	return found, onReplica
}

func (r replicated) awaitReplica(t *testing.T, d *db.DB) {
	t.Helper()
	require.Eventually(t, func() bool { return r.onReplica(r.request(t, d), t, d, db.ReadOnly) }, time.Minute, 20*time.Millisecond)
}

func TestReplica(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	registry := prometheus.NewRegistry()
	here, there := r.instance(t, registry), r.instance(t, prometheus.NewRegistry())

	step := func(name string, test func(t *testing.T)) { t.Run(name, test) }
	step("reads of a request run on it, and nothing else does", func(t *testing.T) {
		r.awaitReplica(t, here)
		assert.False(t, r.onReplica(t.Context(), t, here, db.ReadOnly), "no request: a task, a tool, a sign-in")
		ctx := r.request(t, here)
		assert.False(t, r.onReplica(ctx, t, here, db.Options{}), "it may write")
		assert.False(t, r.onReplica(ctx, t, here, db.Options{ReadOnly: true, Isolation: db.Serializable}))
		assert.False(t, r.onReplica(here.WithPosition(t.Context()), t, here, db.ReadOnly), "not authenticated yet")
		health, replicated := here.ReplicaHealth(t.Context())
		assert.True(t, replicated)
		assert.Equal(t, db.Health{Up: true, Breaker: "closed"}, health)
	})
	step("what was written on any instance is read by the next request on any other", func(t *testing.T) {
		served := 0
		for i := range 200 {
			name := fmt.Sprint("Row ", i)
			r.write(t.Context(), t, here, name)
			found, onReplica := r.finds(r.request(t, there), t, there, name)
			require.True(t, found, name)
			if onReplica {
				served++
			}
		}
		t.Logf("of 200 reads right after a write the replica served %d, and none missed it", served)
		assert.Positive(t, served)
	})
	step("behind, the primary reads", func(t *testing.T) {
		r.awaitReplica(t, there)
		r.replica.Pause(t)
		r.write(t.Context(), t, here, "Not replayed")
		for range 20 {
			found, onReplica := r.finds(r.request(t, there), t, there, "Not replayed")
			require.True(t, found)
			require.False(t, onReplica)
		}
		r.replica.Resume(t)
		r.awaitReplica(t, there)
	})
	step("an answer of the replica is the answer", func(t *testing.T) {
		r.awaitReplica(t, here)
		attempts := 0
		err := r.run(r.request(t, here), here, db.ReadOnly, func(context.Context, *pgx.Conn) error { attempts++; return pgx.ErrNoRows })
		require.ErrorIs(t, err, pgx.ErrNoRows)
		assert.Equal(t, 1, attempts)
	})
	step("dead, the primary reads, soon without asking", func(t *testing.T) {
		r.replica.Stop()
		begin := time.Now()
		for range 50 {
			assert.False(t, r.onReplica(r.request(t, here), t, here, db.ReadOnly))
		}
		assert.Less(t, time.Since(begin), 20*time.Second)
		health, _ := here.ReplicaHealth(t.Context())
		assert.Equal(t, db.Health{Up: false, Breaker: "open"}, health)
		r.replica.Start(t)
		r.awaitReplica(t, here)
	})
	outcomes, err := testutil.GatherAndCount(registry, "rollcall_replica_reads_total")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, outcomes, 2, "served by the replica, and not")
}
