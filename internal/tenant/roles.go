package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-erp/rollcall/internal/db"
)

const (
	duplicateObject = "42710"
	uniqueViolation = "23505"
)

// roles are the tenant's own, which sees all rows, and the limited ones, which see what their transaction may.
func (s *lockedSchema) roles() []string {
	return []string{s.name, db.LimitedRole(s.name), db.InstitutionsRole(s.name)}
}

// createRoles makes the tenant's roles where they are missing, and lets the current user take them on.
func (s *lockedSchema) createRoles(ctx context.Context) error {
	for _, role := range s.roles() {
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

// lacksGrants is asked instead of granting every time, which would rewrite the catalogue for every table. Of the audit trail
// a role may have too much, and only the tenant's own reads it.
const lacksGrants = `select not has_schema_privilege($2::name, $1::name::text, 'usage') or exists (
	select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1::name and c.relkind in ('r', 'p', 'v', 'm') and c.relname <> '` + versionTable + `'
	and case when c.relname like 'audit\_%' then has_table_privilege($2::name, c.oid, 'insert, update, delete, truncate')
			or has_table_privilege($2::name, c.oid, 'select') <> ($2 = $1)
		else not has_table_privilege($2::name, c.oid, 'select') end)`

// grant lets the roles work with the rows of their schema, now and in tables to come, but not with goose's notes, and not
// write in the audit trail.
func (s *lockedSchema) grant(ctx context.Context) error {
	for _, role := range s.roles() {
		lacking, err := s.ask(ctx, lacksGrants, s.name, role)
		if err != nil {
			return fmt.Errorf("look at the grants on schema %s: %w", s.name, err)
		}
		if !lacking {
			continue
		}
		if err := s.grantTo(ctx, quote(role)); err != nil {
			return fmt.Errorf("grant on schema %s: %w", s.name, err)
		}
	}
	return s.restorePolicies(ctx)
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

// lacksPolicies asks for a table with row-level security that lacks the policy of a role: one that was lost has taken its
// policies with it.
const lacksPolicies = `select exists (
	select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1::name and c.relrowsecurity and (
		not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'all_rows')
		or not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'of_institution')
		and exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'institution_id')))`

// restorePolicies gives the roles their policies again.
func (s *lockedSchema) restorePolicies(ctx context.Context) error {
	lacking, err := s.ask(ctx, lacksPolicies, s.name)
	if err == nil && lacking {
		err = s.exec(ctx, "select "+quote(s.name)+".protect_rows()")
	}
	if err != nil {
		return fmt.Errorf("restore the policies of schema %s: %w", s.name, err)
	}
	return nil
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
