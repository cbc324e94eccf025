package db_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

func nothing(context.Context, *db.Queries) error { return nil }

func TestInTx_tenantThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]string{
		"suspended":           "update control.tenants set status = 'suspended'",
		"still being created": "update control.tenants set status = 'provisioning'",
		"not in the registry": "delete from control.tenants",
		"without a schema":    "drop schema SCHEMA cascade",
		"without a role":      "do $$ begin drop owned by SCHEMA; drop role SCHEMA; end $$",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newUniqueSchool(t)
			require.NoError(t, s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, nothing))
			s.Exec(t, strings.ReplaceAll(breakIt, "SCHEMA", s.schema))
			for range 2 { // the second time the statement is prepared, and travels with what is refused
				for _, last := range []func(context.Context) context.Context{db.NotLast, db.Last} {
					err := s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, func(ctx context.Context, _ *db.Queries) error {
						err := db.Run(last(ctx), "select set_config('rollcall.test', 'ran', false)")
						assert.Error(t, err, "its first statement ran")
						return err
					})
					require.ErrorIs(t, err, db.ErrTenantUnavailable)
				}
				require.ErrorIs(t, s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, nothing), db.ErrTenantUnavailable)
			}
		})
	}
}

func TestInTx_unknownTenant(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	err := d.DB.InTx(t.Context(), db.Tenant(uuid.New()), db.Options{}, nothing)
	require.ErrorIs(t, err, db.ErrTenantUnavailable)
}

// settings are what a transaction of the scope sees of itself.
type settings struct{ Path, Role, StatementTimeout, LockTimeout string }

func readSettings(t *testing.T, d *db.DB, scope db.Scope) (s settings) {
	t.Helper()
	require.NoError(t, d.InTx(t.Context(), scope, db.Options{}, func(ctx context.Context, _ *db.Queries) error {
		rows, err := db.Conn(ctx).Query(ctx, `select current_setting('search_path') as path, current_user::text as role,
			current_setting('statement_timeout') as statement_timeout, current_setting('lock_timeout') as lock_timeout`)
		if err != nil {
			return err
		}
		s, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[settings])
		return err
	}))
	return s
}

func TestInTx_selectsSchemaAndRole(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	inTenant := readSettings(t, s.DB, db.Tenant(s.tenant.ID))
	assert.Equal(t, s.schema, inTenant.Path)
	assert.Equal(t, s.schema, inTenant.Role)
	inControl := readSettings(t, s.DB, db.Control)
	assert.Equal(t, "control", inControl.Path)
	assert.Equal(t, "postgres", inControl.Role)
	for _, got := range []settings{inTenant, inControl} {
		assert.NotEqual(t, "0", got.StatementTimeout)
		assert.Equal(t, "2s", got.LockTimeout)
	}
}

// TestInTx_nothingLeaksToTheNextUserOfAConnection looks at a pool's only connection after transactions of all outcomes.
func TestInTx_nothingLeaksToTheNextUserOfAConnection(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	for name, w := range map[string]work{
		"commit":   func(context.Context, *pgx.Conn) error { return nil },
		"rollback": func(context.Context, *pgx.Conn) error { return pgx.ErrNoRows },
	} {
		var conn *pgx.Conn
		_ = s.run(t.Context(), pool, db.Options{}, func(ctx context.Context, c *pgx.Conn) error {
			conn = c
			return w(ctx, c)
		})
		var path, role, statementTimeout string
		require.NoError(t, conn.QueryRow(t.Context(), `select current_setting('search_path'), current_user::text,
			current_setting('statement_timeout')`).Scan(&path, &role, &statementTimeout))
		assert.Equal(t, []string{"", "postgres", "0"}, []string{path, role, statementTimeout}, name)
		_, err := conn.Exec(t.Context(), "select from institutions")
		assert.Equal(t, "42P01", state(err), "outside of a transaction no table is visible")
		assert.Equal(t, "control", readSettings(t, pool, db.Control).Path)
	}
}

func TestInTx_anotherTenantsSchemaIsClosed(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	other := db.SchemaName(s.Tenant(t, "other").ID)
	for _, statement := range []string{
		"select from " + other + ".institutions",
		"delete from " + other + ".institutions",
		"select from control.tenants",
		"select from " + s.schema + ".goose_db_version",
		"create table " + s.schema + ".mine (n integer)",
		"drop table institutions",
	} {
		err := s.run(t.Context(), s.DB, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, statement)
			return err
		})
		assert.Equal(t, "42501", state(err), statement)
	}
}

// state is the SQLSTATE of an error.
func state(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}
