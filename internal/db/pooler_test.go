package db_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// These run behind PgBouncer in any case; ROLLCALL_TEST_POOLER=pgbouncer takes all tests there (make test-pooler).

func TestPgBouncer_isFoundAndThenNoStatementIsPreparedByName(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for name, test := range map[string]struct {
		url    string
		pooler db.Pooler
		want   pgx.QueryExecMode
	}{
		"found":       {s.Pooled(t), db.PoolerAuto, pgx.QueryExecModeCacheDescribe},
		"told":        {s.Pooled(t), db.PoolerPgBouncer, pgx.QueryExecModeCacheDescribe},
		"not there":   {s.URL, db.PoolerAuto, pgx.QueryExecModeCacheStatement},
		"told it not": {s.URL, db.PoolerNone, pgx.QueryExecModeCacheStatement},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			d := s.Open(t, db.Config{URL: test.url, Pooler: test.pooler, Log: slog.New(slog.NewTextHandler(&log, nil))})
			require.NoError(t, s.run(t.Context(), d, db.ReadOnly, func(_ context.Context, conn *pgx.Conn) error {
				assert.Equal(t, test.want, conn.Config().DefaultQueryExecMode)
				return nil
			}))
			assert.Equal(t, name == "found", log.Len() > 0, log.String())
		})
	}
}

// The demo has a value of every type that the queries know.
func TestPgBouncer_theDemoIsSeededThroughIt(t *testing.T) {
	t.Parallel()
	s := newUniqueSchool(t)
	box, err := seal.New(make([]byte, seal.KeySize))
	require.NoError(t, err)
	s.Exec(t, "update control.tenants set slug = 'other'")
	d := s.Open(t, db.Config{URL: s.Pooled(t)})
	require.NoError(t, seed.Demo(t.Context(), d, tenant.NewRegistry(d, s.URL), box))
}

// Transactions of many clients share two connections of PostgreSQL, tenant by tenant in turn.
func TestPgBouncer_manyClientsShareFewConnectionsAndNothingLeaks(t *testing.T) {
	t.Parallel()
	s := newUniqueSchool(t)
	other := s.Tenant(t, "other")
	d := s.Open(t, db.Config{URL: s.Pooled(t), MaxConns: 30, Timeout: time.Minute, LockTimeout: time.Minute})
	var group errgroup.Group
	for i := range 60 {
		id := []tenant.Tenant{s.tenant, other}[i%2].ID
		group.Go(func() error {
			return d.InTx(t.Context(), db.Tenant(id), db.Options{}, func(ctx context.Context, _ *db.Queries) error {
				var schema, role string
				conn := db.Conn(ctx)
				if err := conn.QueryRow(ctx, "select current_schema()::text, current_user::text").Scan(&schema, &role); err != nil {
					return err
				}
				if want := db.SchemaName(id); schema != want || role != want {
					return fmt.Errorf("want %s, have schema %s and role %s", want, schema, role)
				}
				return insert(ctx, conn, fmt.Sprint("Institution ", i))
			})
		})
	}
	require.NoError(t, group.Wait())
	assert.Len(t, s.names(t), 30)
}

func TestPgBouncer_migrationsThroughItAreRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	err := tenant.NewMigrator(s.Pooled(t)).Up(t.Context(), nil)
	require.ErrorContains(t, err, "DATABASE_DIRECT_URL")
	pooled, err := url.Parse(s.Pooled(t))
	require.NoError(t, err)
	assert.NotContains(t, s.URL, pooled.Host)
}
