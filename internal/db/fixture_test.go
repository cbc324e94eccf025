package db_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// waitLimit is how long a test waits for a state that it expects.
const waitLimit = 20 * time.Second

// school is a database with one tenant. The tests write institutions, the simplest table there is.
type school struct {
	*dbtest.Database
	tenant tenant.Tenant
	schema string
}

// newSchool is a copy of a database made once: creating the tenant takes longer than copying it.
func newSchool(t *testing.T) school {
	t.Helper()
	d := dbtest.NewFrom(t, "school", func(ctx context.Context, url string) error {
		_, err := createTenant(ctx, url)
		return err
	})
	demo, err := d.Registry().BySlug(t.Context(), "demo")
	require.NoError(t, err)
	return school{Database: d, tenant: demo, schema: db.SchemaName(demo.ID)}
}

func createTenant(ctx context.Context, url string) (tenant.Tenant, error) {
	d, err := db.Open(ctx, db.Config{URL: url})
	if err != nil {
		return tenant.Tenant{}, err
	}
	defer d.Close()
	return tenant.NewRegistry(d, url).Create(ctx, tenant.CreateParams{Slug: "demo", Name: "Demo"})
}

// newUniqueSchool has a tenant that no other database has: for tests that touch its role, which belongs to the server.
func newUniqueSchool(t *testing.T) school {
	t.Helper()
	d := dbtest.New(t)
	demo := d.Tenant(t, "demo")
	return school{Database: d, tenant: demo, schema: db.SchemaName(demo.ID)}
}

// work is a transaction's work on the bare connection.
type work func(ctx context.Context, conn *pgx.Conn) error

// run runs work in the tenant on the given pool.
func (s school) run(ctx context.Context, d *db.DB, opts db.Options, w work) error {
	return d.InTx(ctx, db.Tenant(s.tenant.ID), opts, func(ctx context.Context, _ *db.Queries) error {
		return w(ctx, db.Conn(ctx))
	})
}

// names are the institutions that are durable, as somebody else sees them.
func (s school) names(t *testing.T) []string {
	t.Helper()
	return dbtest.Values[string](t, s.Database, "select name from "+s.schema+".institutions order by name")
}

// add writes an institution as superuser.
func (s school) add(t *testing.T, name string) {
	t.Helper()
	s.Exec(t, "insert into "+s.schema+".institutions (id, name, code) values ($1, $2, $3)", uuid.New(), name, code(name))
}

// hold locks an institution from outside until release is called.
func (s school) hold(t *testing.T, name string) (release func()) {
	t.Helper()
	conn := s.Conn(t)
	_, err := conn.Exec(t.Context(), "begin")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "select from "+s.schema+".institutions where name = $1 for update", name)
	require.NoError(t, err)
	return func() {
		_, err := conn.Exec(t.Context(), "commit")
		require.NoError(t, err)
	}
}

// awaitBlocked returns when somebody waits for a lock in the test's database.
func (s school) awaitBlocked(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return dbtest.Value[bool](t, s.Database, `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock')`)
	}, waitLimit, time.Millisecond)
}

func code(name string) string { return strings.ToUpper(strings.ReplaceAll(name, " ", "-")) }

func insert(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "insert into institutions (id, name, code) values ($1, $2, $3)", uuid.New(), name, code(name))
	return err
}

func update(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "update institutions set updated_at = now() where name = $1", name)
	return err
}

func requireKind(t *testing.T, kind apperr.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind.String(), apperr.KindOf(err).String(), err)
}

// assertWhole checks that a pool of one connection still serves.
func (s school) assertWhole(t *testing.T, pool *db.DB) {
	t.Helper()
	assert.NoError(t, s.run(t.Context(), pool, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "select from institutions")
		return err
	}))
}
