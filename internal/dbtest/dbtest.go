// Package dbtest gives every test a PostgreSQL database of its own, migrated and empty.
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	func TestAdmit(t *testing.T) {
//		t.Parallel()
//		d := dbtest.New(t)
//		demo := d.Tenant(t, "demo")
//		err := d.DB.InTx(t.Context(), db.Tenant(demo.ID), db.Options{}, ...)
//
// The first test that asks for a database starts a server (internal/devdb), which serves this test process and ends
// with it; a package whose tests need no database pays nothing. Each database is cloned from a template that was
// migrated once, which takes some hundredths of a second, and is dropped after its test. So tests share nothing and may
// all run in parallel.
//
// ROLLCALL_TEST_DATABASE_URL names a server to be used instead, as a superuser. Its other databases are left alone.
//
// ROLLCALL_TEST_POOLER=pgbouncer runs them behind PgBouncer in transaction mode.
//
// The files: main.go is the process, server.go the server and its databases, template.go what they are cloned from,
// pooler.go PgBouncer.
package dbtest

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

const (
	poolSize = 4
	// closeTimeout is how long a test's pools may take to become idle at its end.
	closeTimeout = 5 * time.Second
	// setupTimeout bounds the start of the server, a template, and a clone: generous for a loaded machine.
	setupTimeout = 2 * time.Minute
	pollInterval = 10 * time.Millisecond
)

// Database is one test's own database. Its methods may be called from several goroutines.
type Database struct {
	URL string // of the superuser
	DB  *db.DB // a small pool, closed after the test

	name   string
	super  *pgxpool.Pool
	logins []string
}

// New makes a database with the registry and without tenants, for the time of the test.
func New(t testing.TB) *Database {
	t.Helper()
	return clone(t, baseTemplate)
}

// NewFrom makes a database from a template of the caller's: build gets the URL of a migrated database and puts into it
// what all clones shall have, e.g. the demo. It runs once per process and template name, and must close its connections.
func NewFrom(t testing.TB, template string, build func(ctx context.Context, url string) error) *Database {
	t.Helper()
	return clone(t, customTemplate(template, build))
}

func clone(t testing.TB, from *template) *Database {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	s, err := theServer()
	require.NoError(t, err)
	source, err := from.name()
	require.NoError(t, err, "build the template database")
	name := newName("db")
	require.NoError(t, s.create(ctx, name, source))

	d := &Database{URL: s.urlOf(name), name: name}
	t.Cleanup(func() { d.drop(t, s) })
	d.super, err = pgxpool.New(context.WithoutCancel(ctx), d.URL)
	require.NoError(t, err)
	d.DB = d.open(t, db.Config{MaxConns: poolSize})
	return d
}

// Open makes a further pool on the database, closed after the test. The configuration's URL is filled in if empty.
func (d *Database) Open(t testing.TB, config db.Config) *db.DB {
	t.Helper()
	opened := d.open(t, config)
	t.Cleanup(opened.Close)
	return opened
}

func (d *Database) open(t testing.TB, config db.Config) *db.DB {
	t.Helper()
	if config.URL == "" {
		config.URL = d.poolURL(t)
	}
	opened, err := db.Open(context.WithoutCancel(t.Context()), config)
	require.NoError(t, err)
	return opened
}

// drop ends the test's connections and removes the database.
func (d *Database) drop(t testing.TB, s *server) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if d.DB != nil {
			d.DB.Close()
		}
		if d.super != nil {
			d.super.Close()
		}
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
		t.Errorf("a transaction is still running at the end of the test")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), setupTimeout)
	defer cancel()
	if err := s.drop(ctx, d.name, d.logins...); err != nil {
		t.Errorf("drop the test's database: %v", err)
	}
	<-closed
}

// Registry is the registry of tenants in this database.
func (d *Database) Registry() *tenant.Registry { return tenant.NewRegistry(d.DB, d.URL) }

// Tenant creates a tenant with a new id.
func (d *Database) Tenant(t testing.TB, slug string) tenant.Tenant {
	t.Helper()
	return d.TenantWithID(t, uuid.Nil, slug)
}

// TenantWithID creates a tenant with this id.
func (d *Database) TenantWithID(t testing.TB, id uuid.UUID, slug string) tenant.Tenant {
	t.Helper()
	created, err := d.Registry().Create(t.Context(), tenant.CreateParams{ID: id, Slug: slug, Name: "School group " + slug})
	require.NoError(t, err)
	return created
}

// Exec runs a statement as superuser, outside of any tenant: to break things, and to set up what no query can.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := d.super.Exec(t.Context(), sql, args...)
	require.NoError(t, err, sql)
}

// Conn is a superuser's connection for this test alone, closed after it: to hold a lock, say.
func (d *Database) Conn(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.URL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// Login makes an ordinary user with these options ("createrole"), who may create schemas in this database, and returns
// the user's URL.
func (d *Database) Login(t testing.TB, options string) (userURL string) {
	t.Helper()
	user := newName("user")
	d.logins = append(d.logins, user)
	d.Exec(t, "create role "+quote(user)+" login password 'secret' "+options)
	d.Exec(t, "grant create on database "+quote(d.name)+" to "+quote(user))
	u, err := url.Parse(d.URL)
	require.NoError(t, err)
	u.User = url.UserPassword(user, "secret")
	return u.String()
}

// Value runs a query as superuser, outside of any tenant, and returns its only value.
func Value[T any](t testing.TB, d *Database, sql string, args ...any) T {
	t.Helper()
	rows, err := d.super.Query(t.Context(), sql, args...)
	require.NoError(t, err, sql)
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err, sql)
	return value
}

// Values is Value for a query that returns any number of rows with one column.
func Values[T any](t testing.TB, d *Database, sql string, args ...any) []T {
	t.Helper()
	rows, err := d.super.Query(t.Context(), sql, args...)
	require.NoError(t, err, sql)
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err, sql)
	return values
}
