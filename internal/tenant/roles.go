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

// createRoles makes the tenant's roles where they are missing, and lets the current user take them on.
func (s *lockedSchema) createRoles(ctx context.Context) error {
	for _, role := range rolesOf(s.name) {
		if err := s.createRole(ctx, role); err != nil {
			return err
		}
	}
	return nil
}

func (s *lockedSchema) createRole(ctx context.Context, name string) error {
	// Roles belong to the whole server: another database, a copy of this one say, may have the tenant too. So the role
	// may be there already, or be made there at this moment, which our lock does not prevent.
	exists, err := s.ask(ctx, "select exists (select from pg_catalog.pg_roles where rolname = $1::name)", name)
	if err != nil {
		return fmt.Errorf("look for role %s: %w", name, err)
	}
	if !exists {
		err = s.exec(ctx, "create role "+quote(name)+" nologin noinherit")
	}
	if err != nil && !hasState(err, duplicateObject, uniqueViolation) {
		return fmt.Errorf("create role %s (the database user needs CREATEROLE): %w", name, err)
	}
	err = s.exec(ctx, "grant "+quote(name)+" to current_user")
	if err != nil && !hasState(err, uniqueViolation) {
		return fmt.Errorf("grant role %s to the database user: %w", name, err)
	}
	return nil
}

// complete grants, and restores, what the schema lacks. The roles can then work with the rows of their schema, now and in tables to
// come, but not with goose's notes, and not write in the audit trail.
func (s *lockedSchema) complete(ctx context.Context) error {
	found, err := lookAt(ctx, s.conn, s.name)
	if err != nil {
		return err
	}
	lacks := found[s.name]
	for _, role := range lacks.Grants {
		if err := s.grantTo(ctx, quote(role)); err != nil {
			return fmt.Errorf("grant on schema %s: %w", s.name, err)
		}
	}
	if !lacks.Policies {
		return nil
	}
	if err := s.exec(ctx, "select "+quote(s.name)+".protect_rows()"); err != nil {
		return fmt.Errorf("restore the policies of schema %s: %w", s.name, err)
	}
	return nil
}

func (s *lockedSchema) grantTo(ctx context.Context, role string) error {
	const rights = "select, insert, update, delete"
	schema := quote(s.name)
	// Without arguments this is one exchange and one transaction.
	return s.exec(ctx, strings.Join([]string{
		"grant usage on schema " + schema + " to " + role,
		"grant " + rights + " on all tables in schema " + schema + " to " + role,
		"alter default privileges in schema " + schema + " grant " + rights + " on tables to " + role,
		"revoke all on table " + schema + "." + quote(versionTable) + " from " + role,
		"select " + schema + ".protect_audit()",
	}, "; "))
}

// audit gives new tables the triggers that write the audit trail; nothing happens where they are there.
func (s *lockedSchema) audit(ctx context.Context) error {
	if err := s.exec(ctx, "select "+quote(s.name)+".audit_rows()"); err != nil {
		return fmt.Errorf("audit the tables of schema %s: %w", s.name, err)
	}
	return nil
}

// ask runs a yes-or-no question.
func (s *lockedSchema) ask(ctx context.Context, question string, args ...any) (yes bool, err error) {
	return yes, s.conn.QueryRow(ctx, question, args...).Scan(&yes)
}

func hasState(err error, states ...string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(states, pg.Code)
}
