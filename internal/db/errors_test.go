package db_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// always is a retry at any attempt, once one at the first only.
const (
	never = iota
	once
	always
)

// TestSQLStates is the whole policy: what the client gets for a failure before and at commit, and what is tried again.
func TestSQLStates(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state        string // "": the connection broke
		work         apperr.Kind
		retryWork    int
		commit       apperr.Kind
		retryCommit  int
		whatHappened string
	}{
		{"40001", apperr.Unavailable, always, apperr.Unavailable, always, "serialization failure"},
		{"40P01", apperr.Unavailable, always, apperr.Unavailable, always, "deadlock"},
		{"55P03", apperr.Unavailable, always, apperr.Unavailable, always, "lock timeout"},
		{"53300", apperr.Unavailable, always, apperr.Unavailable, always, "too many connections"},
		{"57P03", apperr.Unavailable, always, apperr.OutcomeUnknown, never, "server is starting"},
		{"57P01", apperr.Unavailable, always, apperr.OutcomeUnknown, never, "server is stopping"},
		{"57P02", apperr.Unavailable, always, apperr.OutcomeUnknown, never, "server has crashed"},
		{"", apperr.Unavailable, always, apperr.OutcomeUnknown, never, "connection broke"},
		{"08006", apperr.Unavailable, never, apperr.OutcomeUnknown, never, "connection failure"},
		{"0A000", apperr.Internal, once, apperr.Internal, once, "stale plan"},
		{"08P01", apperr.Unavailable, once, apperr.OutcomeUnknown, never, "stale plan"},
		{"57014", apperr.Unavailable, never, apperr.Unavailable, never, "statement timeout"},
		{"53100", apperr.Unavailable, never, apperr.Unavailable, never, "disk full"},
		{"25P03", apperr.Internal, never, apperr.Internal, never, "idle in transaction"},
		{"22003", apperr.Invalid, never, apperr.Invalid, never, "number out of range"},
		{"23514", apperr.Invalid, never, apperr.Invalid, never, "check"},
		{"23503", apperr.Invalid, never, apperr.Invalid, never, "foreign key"},
		{"23505", apperr.Conflict, never, apperr.Conflict, never, "unique"},
		{"42501", apperr.Internal, never, apperr.Internal, never, "no privilege"},
		{"42P01", apperr.Internal, never, apperr.Internal, never, "no table"},
	} {
		cause := failure(test.state)
		for _, phase := range []struct {
			db.Phase
			kind  apperr.Kind
			retry int
		}{{db.PhaseWork, test.work, test.retryWork}, {db.PhaseCommit, test.commit, test.retryCommit}} {
			err := db.FailedTry(phase.Phase, false, cause)
			name := fmt.Sprintf("%s %s in phase %d", test.state, test.whatHappened, phase.Phase)
			assert.Equal(t, phase.kind.String(), apperr.KindOf(db.Translate(err)).String(), name)
			assert.Equal(t, phase.retry >= once, db.Retryable(err, 1), "%s: second try", name)
			assert.Equal(t, phase.retry == always, db.Retryable(err, 2), "%s: third try", name)
		}
		readOnly := db.FailedTry(db.PhaseCommit, true, cause)
		assert.Equal(t, test.retryWork >= once, db.Retryable(readOnly, 1), "%s at the commit of a read", test.whatHappened)
	}
}

func failure(state string) error {
	if state == "" {
		return fmt.Errorf("receive message: %w", io.ErrUnexpectedEOF)
	}
	suffixes := map[string]string{"23514": "_check", "23503": "_fkey", "23505": "_key"}
	return &pgconn.PgError{Code: state, TableName: "users", ConstraintName: "users_email" + suffixes[state]}
}

func TestTranslate_errorsThatAreNotTheDatabases(t *testing.T) {
	t.Parallel()
	require.NoError(t, db.Translate(nil))
	known := apperr.New(apperr.Forbidden, "No.")
	assert.Same(t, known, db.Translate(db.FailedTry(db.PhaseWork, false, fmt.Errorf("admit: %w", known))))
	bug := errors.New("index out of range")
	assert.Equal(t, bug, db.Translate(bug))
	for kind, err := range map[apperr.Kind]error{
		apperr.NotFound:    pgx.ErrNoRows,
		apperr.Canceled:    context.Canceled,
		apperr.Unavailable: context.DeadlineExceeded,
	} {
		got := db.Translate(db.FailedTry(db.PhaseWork, false, fmt.Errorf("read: %w", err)))
		requireKind(t, kind, got)
		require.ErrorIs(t, got, err, "the log gets the cause")
	}
}

func TestConstraints_nameTheField(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state, table, constraint string
		kind                     apperr.Kind
		field, code              string
	}{
		{"23505", "users", "users_email_key", apperr.Conflict, "email", "unique"},
		{"23505", "students", "students_admission_number_key", apperr.Conflict, "admissionNumber", "unique"},
		{"23505", "academic_years", "academic_years_is_current_key", apperr.Conflict, "isCurrent", "unique"},
		{"23503", "enrollments", "enrollments_section_id_fkey", apperr.Invalid, "sectionId", "reference"},
		{"23514", "academic_years", "academic_years_end_date_order", apperr.Invalid, "endDate", "order"},
		{"23514", "sections", "sections_capacity_check", apperr.Invalid, "capacity", "check"},
		{"23505", "users", "users_pkey", apperr.Internal, "", ""},
		{"23505", "users", "email_unique", apperr.Internal, "", ""},
		{"23505", "users", "users_email_unique", apperr.Internal, "", ""},
	} {
		err := db.Translate(&pgconn.PgError{Code: test.state, TableName: test.table, ConstraintName: test.constraint})
		assert.Equal(t, test.kind.String(), apperr.KindOf(err).String(), test.constraint)
		if e, ok := errors.AsType[*apperr.Error](err); ok {
			require.Len(t, e.Fields, 1, test.constraint)
			assert.Equal(t, test.field, e.Fields[0].Field, test.constraint)
			assert.Equal(t, "/"+test.field, e.Fields[0].Pointer, test.constraint)
			assert.Equal(t, test.code, e.Fields[0].Code, test.constraint)
		}
	}
}

// TestConstraints_ofTheSchemaFollowTheNamingRule reads a real tenant's schema: a constraint with another name would give
// the client a bare 500.
func TestConstraints_ofTheSchemaFollowTheNamingRule(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	names := dbtest.Values[string](t, s.Database, `
		select c.contype::text || ' ' || t.relname || ' ' || c.conname from pg_constraint c join pg_class t on t.oid = c.conrelid
		where t.relnamespace = $1::regnamespace and c.contype in ('u', 'f', 'c') and c.conparentid = 0
		union
		select 'u ' || t.relname || ' ' || i.relname from pg_index x
		join pg_class t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
		where t.relnamespace = $1::regnamespace and x.indisunique and not x.indisprimary`, s.schema)
	require.Greater(t, len(names), 50)
	suffixes := map[string][]string{"u": {"_key"}, "f": {"_fkey"}, "c": {"_check", "_order"}}
	for _, name := range names {
		part := strings.Fields(name)
		assert.True(t, followsTheRule(part[1], part[2], suffixes[part[0]]),
			"%s of table %s must be named %s_<column>%s", part[2], part[1], part[1], strings.Join(suffixes[part[0]], " or "))
	}
}

func followsTheRule(table, name string, suffixes []string) bool {
	column, found := strings.CutPrefix(name, table+"_")
	for _, suffix := range suffixes {
		if c, ok := strings.CutSuffix(column, suffix); found && ok && c != "" {
			return true
		}
	}
	return false
}
