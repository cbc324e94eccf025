package tenant_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// TestOrdinaryUser_isEnough does all that the program does, as a database user without superuser rights.
func TestOrdinaryUser_isEnough(t *testing.T) {
	t.Parallel()
	d := emptyDatabase(t)
	url := d.Login(t, "createrole")
	m := tenant.NewMigrator(url)
	require.NoError(t, m.Up(t.Context(), nil))
	require.NoError(t, m.Check(t.Context()))
	pool := d.Open(t, db.Config{URL: url})
	r := tenant.NewRegistry(pool, url)
	one, err := r.Create(t.Context(), tenant.CreateParams{Slug: "one", Name: "One"})
	require.NoError(t, err)
	two, err := r.Create(t.Context(), tenant.CreateParams{Slug: "two", Name: "Two"})
	require.NoError(t, err)
	require.NoError(t, writeAndLook(t.Context(), pool, one.ID))

	require.NoError(t, m.WithFiles(next(t)).Up(t.Context(), nil))
	require.NoError(t, write(t.Context(), pool, two.ID))
	own := db.SchemaName(one.ID)
	for _, role := range []string{own, db.LimitedRole(own), db.InstitutionsRole(own)} {
		assertDenied(t, url, role, db.SchemaName(two.ID)+".institutions")
		assertDenied(t, url, role, "control.tenants")
		assertDenied(t, url, role, db.RiverSchema+".river_job")
		assertDenied(t, url, role, own+".goose_db_version")
		assertAllowed(t, url, role, own+".next_version")
	}
}

// tryAs reads a table in a tenant's role.
func tryAs(t *testing.T, url, role, table string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.Exec(t.Context(), "set role "+role)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "select from "+table)
	return err
}

func assertDenied(t *testing.T, url, role, table string) {
	t.Helper()
	var pg *pgconn.PgError
	if assert.ErrorAs(t, tryAs(t, url, role, table), &pg, table) {
		assert.Equal(t, "42501", pg.Code, table)
	}
}

func assertAllowed(t *testing.T, url, role, table string) {
	t.Helper()
	assert.NoError(t, tryAs(t, url, role, table), table)
}

func TestOrdinaryUser_withoutTheRightsIsToldWhichAreMissing(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	url := d.Login(t, "nocreaterole")
	user := dbtest.Value[string](t, d, "select rolname::text from pg_roles where rolname = $1", userOf(t, url))
	d.Exec(t, "grant usage on schema control to "+user)
	d.Exec(t, "grant all on control.tenants to "+user)
	_, err := tenant.NewRegistry(d.Open(t, db.Config{URL: url}), url).
		Create(t.Context(), tenant.CreateParams{Slug: "one", Name: "One"})
	require.ErrorContains(t, err, "the database user needs CREATEROLE")

	d.Exec(t, "alter role "+user+" createrole")
	d.Exec(t, "revoke create on database "+dbtest.Value[string](t, d, "select current_database()::text")+" from "+user)
	_, err = tenant.NewRegistry(d.Open(t, db.Config{URL: url}), url).
		Create(t.Context(), tenant.CreateParams{Slug: "one", Name: "One"})
	require.ErrorContains(t, err, "needs CREATE on the database")
}

func userOf(t *testing.T, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return config.User
}
