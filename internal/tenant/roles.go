package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	duplicateObject = "42710"
	uniqueViolation = "23505"
)

// createRole makes the tenant's role where it is missing, and lets the current user take it on.
func (s *lockedSchema) createRole(ctx context.Context) error {
	// Roles belong to the whole server: another database, a copy of this one say, may have the tenant too. So the role
	// may be there already, or be made there at this moment, which our lock does not prevent.
	exists, err := s.ask(ctx, "select exists (select from pg_catalog.pg_roles where rolname = $1::name)")
	if err != nil {
		return fmt.Errorf("look for role %s: %w", s.name, err)
	}
	role := quote(s.name)
	if !exists {
		err = s.exec(ctx, "create role "+role+" nologin noinherit")
	}
	if err != nil && !hasState(err, duplicateObject, uniqueViolation) {
		return fmt.Errorf("create role %s (the database user needs CREATEROLE): %w", s.name, err)
	}
	err = s.exec(ctx, "grant "+role+" to current_user")
	if err != nil && !hasState(err, uniqueViolation) {
		return fmt.Errorf("grant role %s to the database user: %w", s.name, err)
	}
	return nil
}

// lacksGrants is asked instead of granting every time, which would rewrite the catalogue for every table.
const lacksGrants = `select not has_schema_privilege($1::name, $1::name::text, 'usage') or exists (
	select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1::name and c.relkind in ('r', 'p', 'v', 'm') and c.relname <> '` + versionTable + `'
	and not has_table_privilege($1::name, c.oid, 'select'))`

// grant lets the role work with the rows of its schema, now and in tables to come, but not with goose's notes.
func (s *lockedSchema) grant(ctx context.Context) error {
	lacking, err := s.ask(ctx, lacksGrants)
	if err != nil {
		return fmt.Errorf("look at the grants on schema %s: %w", s.name, err)
	}
	if !lacking {
		return nil
	}
	const rights = "select, insert, update, delete"
	name := quote(s.name)
	// Without arguments this is one exchange and one transaction.
	err = s.exec(ctx, strings.Join([]string{
		"grant usage on schema " + name + " to " + name,
		"grant " + rights + " on all tables in schema " + name + " to " + name,
		"alter default privileges in schema " + name + " grant " + rights + " on tables to " + name,
		"revoke all on table " + name + "." + quote(versionTable) + " from " + name,
	}, "; "))
	if err != nil {
		return fmt.Errorf("grant on schema %s: %w", s.name, err)
	}
	return nil
}

// ask runs a yes-or-no question about the schema's name.
func (s *lockedSchema) ask(ctx context.Context, question string) (yes bool, err error) {
	return yes, s.conn.QueryRow(ctx, question, s.name).Scan(&yes)
}

func hasState(err error, states ...string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(states, pg.Code)
}
