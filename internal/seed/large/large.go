// Package large fills a tenant with made-up schools of any size (`rollcall seed`), to measure with and to try things at size.
//
// Every row follows from its number (id.go), so the same size makes the same rows, and nothing is kept while they are written.
// The files: school.go has the structure and the order of the tables, people.go staff, families and sign-ins, student.go students and their
// history, attendance.go, exam.go, event.go and audit.go what their names say, names.go the names.
package large

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// Size says how large a made-up tenant is. The same size makes the same rows, always.
type Size struct {
	Students int `json:"students"`
	Years    int `json:"years"` // academic years, the last of which is current; every student has a history of so many
	// AttendanceDays is for how many school days of the current year every student has a mark. A year has some two hundred.
	AttendanceDays int `json:"attendanceDays"`
	// PasswordHash is the password of every member of staff and every guardian with a sign-in; empty: nobody signs in.
	PasswordHash string `json:"-"`
}

// The bounds of a size: beyond them ids and dates would not be what they should.
const (
	MostStudents = 5_000_000
	MostYears    = 12
	MostDays     = 200
)

// Validate reports what is wrong with the size.
func (s Size) Validate() error {
	if s.Students < 1 || s.Students > MostStudents {
		return fmt.Errorf("students: use 1 to %d", MostStudents)
	}
	if s.Years < 1 || s.Years > MostYears {
		return fmt.Errorf("years: use 1 to %d", MostYears)
	}
	if s.AttendanceDays < 0 || s.AttendanceDays > MostDays {
		return fmt.Errorf("attendance days: use 0 to %d", MostDays)
	}
	return nil
}

// Progress hears how many rows of a table are written, in order, about every thousand.
type Progress func(table string, rows int64)

// ErrHasData is a tenant with rows that Fill has not made: it leaves them alone.
var ErrHasData = errors.New("the tenant has data of its own; take another tenant, one that does not exist is created")

// loadTimeout bounds the whole of Fill.
const loadTimeout = 2 * time.Hour

// Fill fills a tenant that is empty, or that an earlier Fill has filled and nobody else: then it is emptied first. It is one
// transaction, with COPY. Indexes stay in place, so that the tenant is whole at
// any time. The rows leave no audit events: there is a made-up trail, one event for each student's admission.
func Fill(ctx context.Context, d *db.DB, tenant uuid.UUID, size Size, onProgress Progress) error {
	if err := size.Validate(); err != nil {
		return err
	}
	err := d.Load(ctx, tenant, db.Options{Timeout: loadTimeout}, func(ctx context.Context, raw db.Raw) error {
		if err := empty(ctx, raw); err != nil {
			return err
		}
		if err := switchAudit(ctx, raw, "disable"); err != nil {
			return err
		}
		for _, t := range newGenerator(size).tables() {
			if err := load(ctx, raw, t, onProgress); err != nil {
				return err
			}
		}
		return finish(ctx, raw, size)
	})
	if err != nil {
		return err
	}
	return d.Vacuum(ctx, tenant)
}

// foreignRows asks for what Fill has not made: everything in a tenant belongs to an institution or a user.
const foreignRows = `select exists (select from institutions where not starts_with(id::text, $1))
	or exists (select from users where not starts_with(id::text, $1))`

func empty(ctx context.Context, raw db.Raw) error {
	var foreign bool
	if err := raw.QueryRow(ctx, foreignRows, idPrefix).Scan(&foreign); err != nil {
		return fmt.Errorf("look at what is there: %w", err)
	}
	if foreign {
		return ErrHasData
	}
	if _, err := raw.Exec(ctx, "truncate institutions, users, guesses, roles, webhooks, outbox_events, idempotency_keys, audit_events, audit_unsealed, audit_seals cascade"); err != nil {
		return fmt.Errorf("empty the tenant: %w", err)
	}
	return nil
}

// switchAudit turns the audit triggers off, so that a made-up trail can be loaded instead of one that says who loaded it, or on.
func switchAudit(ctx context.Context, raw db.Raw, how string) error {
	rows, err := raw.Query(ctx, `select format('alter table %s `+how+` trigger %I', g.tgrelid::regclass, g.tgname) from pg_catalog.pg_trigger g
		join pg_catalog.pg_class c on c.oid = g.tgrelid where c.relnamespace = current_schema()::regnamespace and starts_with(g.tgname, 'audit_')`)
	if err != nil {
		return fmt.Errorf("find the audit triggers: %w", err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("find the audit triggers: %w", err)
	}
	for _, statement := range statements {
		if _, err := raw.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// finish lets the next event have the next position, gives almost all of the made-up audit events their place in the chain, and turns the
// triggers on again.
func finish(ctx context.Context, raw db.Raw, size Size) error {
	if _, err := raw.Exec(ctx, `select setval(pg_get_serial_sequence('outbox_events', 'position'), max(position)) from outbox_events`); err != nil {
		return fmt.Errorf("number the events: %w", err)
	}
	if _, err := raw.Exec(ctx, "select seal_audit_events($1)", max(size.Students-unsealedEvents, 0)); err != nil {
		return fmt.Errorf("seal the audit trail: %w", err)
	}
	return switchAudit(ctx, raw, "enable")
}

// table is the rows of one table.
type table struct {
	name    string
	columns []string
	rows    func(yield func(row []any) bool)
}

// progressEvery is how many rows pass between two reports of progress.
const progressEvery = 1000

func load(ctx context.Context, raw db.Raw, t table, onProgress Progress) error {
	var n int64
	if onProgress == nil {
		onProgress = func(string, int64) {}
	}
	next, stop := pull(t.rows)
	defer stop()
	_, err := raw.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromFunc(func() ([]any, error) {
		row, ok := next()
		if !ok {
			return nil, nil
		}
		if n++; n%progressEvery == 0 {
			onProgress(t.name, n)
		}
		return row, nil
	}))
	if err != nil {
		return fmt.Errorf("fill %s: %w", t.name, err)
	}
	onProgress(t.name, n)
	return nil
}
