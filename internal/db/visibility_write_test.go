package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// A row out of sight is refused as one that does not exist is: the same kind, field and code.
func TestLimited_cannotReferToARowOutOfSight(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	const enrollment = `insert into enrollments (id, student_id, institution_id, academic_year_id, class_id, section_id, started_on)
		values (gen_random_uuid(), $1, $2, $3, $4, $5, '2026-10-01')`
	closed := func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "update enrollments set status = 'withdrawn', ended_on = '2026-09-01' where student_id = $1", row(621))
		return err
	}
	for _, c := range []struct {
		name, field, sql string
		args             []any
		foreign          int // the argument to be replaced, and what by
		id               uuid.UUID
		before           work
	}{
		{"year of an institution", "institutionId", "insert into academic_years (id, institution_id, name, start_date, end_date) values (gen_random_uuid(), $1, 'New', '2027-04-01', '2028-03-31')", []any{row(102)}, 0, row(101), nil},
		{"class of an institution", "institutionId", "insert into classes (id, institution_id, name, grade_level) values (gen_random_uuid(), $1, 'New', 1)", []any{row(102)}, 0, row(101), nil},
		{"move of a class", "institutionId", "update classes set institution_id = $1 where id = $2", []any{row(102), row(304)}, 0, row(101), nil},
		{"section of a class", "classId", "insert into sections (id, class_id, name, capacity) values (gen_random_uuid(), $1, 'New', 1)", []any{row(304)}, 0, row(301), nil},
		{"subject of an institution", "institutionId", "insert into subjects (id, institution_id, name, code) values (gen_random_uuid(), $1, 'New', 'NEW')", []any{row(102)}, 0, row(101), nil},
		{"move of a student", "institutionId", "update students set institution_id = $1 where id = $2", []any{row(102), row(621)}, 0, row(101), nil},
		{"teacher of a section", "sectionId", "insert into teaching_assignments (user_id, section_id) values ($1, $2)", []any{row(503), row(406)}, 1, row(401), nil},
		{"guardian of a student", "studentId", "insert into student_guardians (student_id, guardian_id, relationship, position) values ($1, $2, 'other', 2)", []any{row(621), row(822)}, 0, row(601), nil},
		{"student of a guardian", "guardianId", "insert into student_guardians (student_id, guardian_id, relationship, position) values ($1, $2, 'other', 2)", []any{row(621), row(822)}, 1, row(801), nil},
		{"enrollment of a student", "studentId", enrollment, []any{row(621), row(102), row(203), row(304), row(406)}, 0, row(601), closed},
		{"enrollment at an institution", "institutionId", enrollment, []any{row(621), row(102), row(203), row(304), row(406)}, 1, row(101), closed},
		{"enrollment in a year", "academicYearId", enrollment, []any{row(621), row(102), row(203), row(304), row(406)}, 2, row(201), closed},
		{"enrollment in a class", "classId", enrollment, []any{row(621), row(102), row(203), row(304), row(406)}, 3, row(301), closed},
		{"enrollment in a section", "sectionId", enrollment, []any{row(621), row(102), row(203), row(304), row(406)}, 4, row(401), closed},
	} {
		try := func(id uuid.UUID) error {
			args := append([]any{}, c.args...)
			args[c.foreign] = id
			return s.limited(t, lakeCampus, func(ctx context.Context, conn *pgx.Conn) error {
				if c.before != nil {
					require.NoError(t, c.before(ctx, conn))
				}
				if _, err := conn.Exec(ctx, c.sql, args...); err != nil {
					return err
				}
				return errUndo
			})
		}
		require.ErrorIs(t, try(c.args[c.foreign].(uuid.UUID)), errUndo, "%s: what is visible can be referred to", c.name)
		outOfSight, unknown := try(c.id), try(uuid.New())
		requireKind(t, apperr.Invalid, unknown)
		requireKind(t, apperr.Invalid, outOfSight)
		known, _ := errors.AsType[*apperr.Error](unknown)
		got, _ := errors.AsType[*apperr.Error](outOfSight)
		assert.Equal(t, known.Fields, got.Fields, c.name)
		assert.Equal(t, known.Detail, got.Detail, c.name)
		require.Len(t, got.Fields, 1, c.name)
		assert.Equal(t, c.field, got.Fields[0].Field, c.name)
	}
}

var errUndo = errors.New("roll back")

func TestLimited_cannotChangeARowOutOfSight(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	require.NoError(t, s.limited(t, lakeCampus, func(ctx context.Context, conn *pgx.Conn) error {
		for table, id := range map[string]int{
			"institutions": 101, "academic_years": 201, "classes": 301, "sections": 401, "subjects": 1001, "students": 601, "enrollments": 901, "guardians": 801,
		} {
			for _, statement := range []string{"update " + table + " set id = id where id = $1", "delete from " + table + " where id = $1", "select from " + table + " where id = $1 for update"} {
				tag, err := conn.Exec(ctx, statement, row(id))
				require.NoError(t, err, statement)
				assert.Zero(t, tag.RowsAffected(), statement)
			}
		}
		for _, statement := range []string{
			"delete from student_guardians where student_id = $1", "update student_guardians set position = 3 where student_id = $1",
		} {
			tag, err := conn.Exec(ctx, statement, row(601))
			require.NoError(t, err, statement)
			assert.Zero(t, tag.RowsAffected(), statement)
		}
		return nil
	}))
}

func TestLimited_writingWhatItWouldNotSeeIsForbidden(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	for _, v := range []db.Visibility{lakeCampus, teacher, guardian, {}} {
		err := s.limited(t, v, func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, "New") })
		requireKind(t, apperr.Forbidden, err)
		assert.NotContains(t, s.names(t), "New")
	}
	// Our own mistake is not passed off as one of the client's.
	s.Exec(t, "revoke insert on "+s.schema+".institutions from "+db.InstitutionsRole(s.schema))
	err := s.limited(t, lakeCampus, func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, "New") })
	requireKind(t, apperr.Internal, err)
}

// Brothers at two institutions have one guardian: who sees one of them cannot delete or take over the guardian.
func TestLimited_aGuardianOfAnotherInstitutionsStudentOutlivesTheLink(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	s.Exec(t, "insert into "+s.schema+".student_guardians (student_id, guardian_id, relationship, position) values ($1, $2, 'father', 1)", row(621), row(802))
	require.NoError(t, s.limitedQueries(t, lakeCampus, func(ctx context.Context, q *db.Queries) error {
		if err := q.UnlinkGuardians(ctx, row(621), []uuid.UUID{row(802), row(821)}); err != nil {
			return err
		}
		return q.DeleteLoneGuardians(ctx, []uuid.UUID{row(802), row(821)})
	}))
	require.NoError(t, s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
		left, err := numbers(ctx, conn, "guardians")
		assert.Contains(t, left, 802, "still the guardian of 602")
		assert.NotContains(t, left, 821, "nobody's")
		return err
	}))
}

func TestLimited_settingsEndWithTheTransaction(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	var conn *pgx.Conn
	all := db.Visibility{Institutions: []uuid.UUID{row(101), row(102)}, TeacherOf: row(503), GuardianOf: row(504)}
	require.NoError(t, pool.InTx(t.Context(), db.Tenant(s.tenant.ID).Limited(all), db.Options{}, func(ctx context.Context, _ *db.Queries) error {
		conn = db.Conn(ctx)
		return nil
	}))
	var role, settings string
	require.NoError(t, conn.QueryRow(t.Context(), `select current_user::text, current_setting('rollcall.institutions') ||
		current_setting('rollcall.teacher') || current_setting('rollcall.guardian')`).Scan(&role, &settings))
	assert.Equal(t, "postgres", role)
	assert.Empty(t, settings)
	for role, v := range map[string]db.Visibility{
		s.schema: {All: true}, db.InstitutionsRole(s.schema): all, db.LimitedRole(s.schema): teacher,
	} {
		assert.Equal(t, role, readSettings(t, pool, db.Tenant(s.tenant.ID).Limited(v)).Role)
	}
}

// A temporary table of the same name must not stand in for the tenant's, whose owner the functions run as.
func TestLimited_aTemporaryTableDoesNotWidenTheView(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	require.NoError(t, s.limited(t, teacher, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "create temp table teaching_assignments on commit drop as select '"+row(503).String()+"'::uuid as user_id, '"+row(406).String()+"'::uuid as section_id")
		require.NoError(t, err)
		got, err := numbers(ctx, conn, "students")
		assert.NotContains(t, got, 621)
		assert.Contains(t, got, 601)
		return err
	}))
}
