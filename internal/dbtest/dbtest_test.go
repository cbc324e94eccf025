package dbtest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestNew_databasesAreSeparate(t *testing.T) {
	t.Parallel()
	first, second := dbtest.New(t), dbtest.New(t)
	first.Exec(t, "create table mine (n integer)")
	first.Exec(t, "insert into mine values ($1)", 42)
	assert.Equal(t, 42, dbtest.Value[int](t, first, "select n from mine"))
	assert.Empty(t, dbtest.Values[string](t, second, "select tablename::text from pg_tables where tablename = 'mine'"))
	assert.Equal(t, 0, dbtest.Value[int](t, second, "select count(*) from control.tenants"))
}

func TestNew_manyInParallel(t *testing.T) {
	t.Parallel()
	for range 12 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			d := dbtest.New(t)
			cloned := time.Now()
			require.NoError(t, d.DB.Ping(t.Context()))
			d.Tenant(t, "demo")
			t.Logf("database %v, tenant %v", cloned.Sub(start), time.Since(cloned))
		})
	}
}

var builds atomic.Int32

func buildDemo(ctx context.Context, url string) error {
	builds.Add(1)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "create table public.seeded as select 1 as n")
	return errors.Join(err, conn.Close(ctx))
}

func TestNewFrom_buildsATemplateOnce(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			d := dbtest.NewFrom(t, "seeded", buildDemo)
			assert.Equal(t, 1, dbtest.Value[int](t, d, "select n from seeded"))
			assert.Equal(t, 0, dbtest.Value[int](t, d, "select count(*) from control.tenants"))
			assert.EqualValues(t, 1, builds.Load())
		})
	}
}

func TestTenant_isReadyForTransactions(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := uuid.MustParse("00000000-0000-7000-8000-000000000001")
	for _, made := range []uuid.UUID{d.TenantWithID(t, id, "one").ID, d.Tenant(t, "two").ID} {
		err := d.DB.InTx(t.Context(), db.Tenant(made), db.Options{}, func(ctx context.Context, q *db.Queries) error {
			_, err := q.CountInstitutions(ctx, 10)
			return err
		})
		require.NoError(t, err)
	}
}
