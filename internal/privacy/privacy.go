// Package privacy answers the data-protection requests of one student: all that is known, and its erasure (GDPR articles 15 and 17,
// India's DPDP Act sections 11 and 12).
//
// What belongs to a person is found in the catalogue: the rows of every table that refer to the student, to the guardians who are
// linked to nobody else, and to the users of these. What is personal in them is what openapi.yaml marks x-pii and what people
// wrote of them; a test fills all of it and finds the column that is missed.
package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// timeout bounds an export or an erasure: audit events are found by reading the trail.
const timeout = time.Minute

// Persons are the student and who is known because of the student only.
type Persons struct {
	Student   uuid.UUID
	Guardians []uuid.UUID // linked to no other student
	Users     []uuid.UUID // of these
}

// all are the ids of the persons.
func (p Persons) all() []uuid.UUID {
	return append(append([]uuid.UUID{p.Student}, p.Guardians...), p.Users...)
}

// find finds the persons, and locks the student.
func find(ctx context.Context, raw db.Raw, student uuid.UUID) (p Persons, status string, err error) {
	p.Student = student
	var user uuid.UUID
	err = raw.QueryRow(ctx, "select user_id, status from students where id = $1 for update", student).Scan(&user, &status)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, "", apperr.New(apperr.NotFound, fmt.Sprintf("There is no student %s in this tenant.", student))
	}
	if err != nil {
		return p, "", fmt.Errorf("find the student: %w", err)
	}
	var users []uuid.UUID
	// A guardian who is somebody else's too, or may sign in as a member of staff, stays.
	err = raw.QueryRow(ctx, `select coalesce(array_agg(g.id), '{}'), coalesce(array_agg(g.user_id) filter (where g.user_id is not null), '{}') from guardians g
		where exists (select from student_guardians l where l.guardian_id = g.id and l.student_id = $1)
		and not exists (select from student_guardians l where l.guardian_id = g.id and l.student_id <> $1)
		and not exists (select from user_roles r where r.user_id = g.user_id and r.role <> 'guardian')`, student).Scan(&p.Guardians, &users)
	if err != nil {
		return p, "", fmt.Errorf("find the guardians: %w", err)
	}
	p.Users = append([]uuid.UUID{user}, users...)
	return p, status, nil
}

// Export is all that is known of a student, and of guardians who are linked to nobody else: by table, each row as it is, the national
// id in full. Digests and sealed values are left out. The error is of kind NotFound when there is no such student.
func Export(ctx context.Context, d *db.DB, tenant, student uuid.UUID, box *seal.Box, national seal.Column) (map[string]any, error) {
	known := map[string]any{}
	err := d.Load(ctx, tenant, db.Options{Isolation: db.RepeatableRead, Timeout: timeout}, func(ctx context.Context, raw db.Raw) error {
		p, _, err := find(ctx, raw, student)
		if err != nil {
			return err
		}
		queries, err := queriesAbout(ctx, raw)
		if err != nil {
			return err
		}
		for table, query := range queries {
			rows, err := read(ctx, raw, query, p)
			if err != nil {
				return fmt.Errorf("read table %s: %w", table, err)
			}
			if len(rows) > 0 {
				known[table] = rows
			}
		}
		return openNational(ctx, raw, known, tenant, student, box, national)
	})
	return known, err
}

// queriesAbout are the queries for the rows about persons, whose ids are $1, by table.
func queriesAbout(ctx context.Context, raw db.Raw) (map[string]string, error) {
	rows, err := raw.Query(ctx, `select t.relname::text as table, array_agg(a.attname::text) as columns,
			coalesce(array_agg(a.attname::text) filter (where a.atttypid = 'bytea'::regtype or a.attgenerated <> '' or a.attname = 'password_hash'), '{}') as hidden
		from pg_class t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
		where t.relnamespace = current_schema()::regnamespace and t.relkind = 'r'
		and t.relname not in ('goose_db_version', 'audit_seals', 'audit_unsealed', 'idempotency_keys', 'recovery_codes') group by t.relname`)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Name            string
		Columns, Hidden []string
	}])
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	queries := map[string]string{}
	for _, t := range tables {
		if where := about(t.Name, t.Columns); where != "" {
			queries[t.Name] = fmt.Sprintf("select to_jsonb(t) - '{%s}'::text[] from %s t where %s", strings.Join(t.Hidden, ","), pgx.Identifier{t.Name}.Sanitize(), where)
		}
	}
	return queries, nil
}

// about is the condition for the rows of a table that are about persons; empty when it has none.
func about(table string, columns []string) string {
	switch table {
	case "students", "guardians", "users":
		return "id = any($1)"
	case "outbox_events", "webhook_deliveries":
		return "subject_id = any($1)"
	case "audit_events":
		return "resource_id = any($1) or actor_id = any($1)"
	}
	for _, column := range []string{"student_id", "user_id"} {
		if slices.Contains(columns, column) {
			return column + " = any($1)"
		}
	}
	return ""
}

func read(ctx context.Context, raw db.Raw, query string, p Persons) ([]json.RawMessage, error) {
	rows, err := raw.Query(ctx, query, p.all())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[json.RawMessage])
}

// openNational adds the national id, which is stored sealed.
func openNational(ctx context.Context, raw db.Raw, known map[string]any, tenant, student uuid.UUID, box *seal.Box, c seal.Column) error {
	var sealed []byte
	query := fmt.Sprintf("select %s from %s where id = $1", pgx.Identifier{c.Name}.Sanitize(), pgx.Identifier{c.Table}.Sanitize())
	if err := raw.QueryRow(ctx, query, student).Scan(&sealed); err != nil || sealed == nil {
		return err
	}
	number, err := box.Open(sealed, c.Place(tenant, student))
	if err != nil {
		return fmt.Errorf("open the national id: %w", err)
	}
	known["nationalId"] = number
	return nil
}
