package db_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// newDemo is a database with the demo school, whose rows have numbers: see internal/seed.
func newDemo(t testing.TB) school {
	t.Helper()
	d := dbtest.NewFrom(t, "demo", func(ctx context.Context, url string) error {
		pool, err := db.Open(ctx, db.Config{URL: url})
		if err != nil {
			return err
		}
		defer pool.Close()
		box, err := seal.New(make([]byte, seal.KeySize))
		if err != nil {
			return err
		}
		return seed.Demo(ctx, pool, tenant.NewRegistry(pool, url), box)
	})
	demo, err := d.Registry().ByID(t.Context(), seed.DemoTenant)
	require.NoError(t, err)
	return school{Database: d, tenant: demo, schema: db.SchemaName(demo.ID)}
}

// row is the id of a demo row.
func row(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("01900000-0000-7000-8000-%012d", n)) }

// between are the numbers of demo rows from the first to the last.
func between(first, last int) (all []int) {
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

func join(lists ...[]int) (all []int) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// limited runs work in the tenant with this visibility.
func (s school) limited(t *testing.T, v db.Visibility, w work) error {
	t.Helper()
	return s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID).Limited(v), db.Options{}, func(ctx context.Context, _ *db.Queries) error {
		return w(ctx, db.Conn(ctx))
	})
}

// limitedQueries is limited for generated queries.
func (s school) limitedQueries(t *testing.T, v db.Visibility, work db.Func) error {
	t.Helper()
	return s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID).Limited(v), db.Options{}, work)
}

// numbers are the demo rows of a table that a transaction sees.
func numbers(ctx context.Context, conn *pgx.Conn, table string) ([]int, error) {
	column := map[string]string{"student_guardians": "guardian_id", "teaching_assignments": "section_id"}[table]
	if column == "" {
		column = "id"
	}
	rows, err := conn.Query(ctx, "select right("+column+"::text, 8)::integer from "+table+" order by 1")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int])
}

var (
	lakeCampus = db.Visibility{Institutions: []uuid.UUID{row(102)}}
	teacher    = db.Visibility{TeacherOf: row(503)}
	guardian   = db.Visibility{GuardianOf: row(504)}
)

func TestLimited_seesItsRowsAndNoOther(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	type table = map[string][]int
	for name, c := range map[string]struct {
		visible db.Visibility
		want    table
	}{
		"nothing": {db.Visibility{}, table{}},
		"all": {db.Visibility{All: true}, table{
			"institutions": between(101, 103), "academic_years": between(201, 203), "classes": between(301, 312), "sections": between(401, 414), "subjects": between(1001, 1009), "exams": between(1201, 1205),
			"teaching_assignments": join(between(401, 406), between(408, 414)), "students": join(between(601, 624), between(6025, 6300)), "enrollments": join(between(901, 924), between(9025, 9300)),
			"guardians": join(between(801, 824), between(8025, 8300)), "student_guardians": join(between(801, 824), between(8025, 8300)), "student_records": join(between(601, 624), between(6025, 6300)),
		}},
		"one institution": {lakeCampus, table{
			"institutions": {102}, "academic_years": {203}, "classes": {304, 305}, "sections": {406, 407}, "subjects": between(1007, 1009), "teaching_assignments": {406}, "students": between(621, 624),
			"enrollments": between(921, 924), "guardians": between(821, 824), "student_guardians": between(821, 824), "student_records": between(621, 624),
		}},
		"an institution without anything": {db.Visibility{Institutions: []uuid.UUID{row(103)}}, table{"institutions": {103}}},
		"a teacher of two sections": {teacher, table{
			"institutions": {101}, "academic_years": {201, 202}, "classes": {301, 302}, "sections": {401, 403}, "subjects": between(1001, 1006), "exams": {1201, 1202, 1203, 1205}, "teaching_assignments": {401, 403},
			"students": taught(600), "enrollments": taught(900),
			"guardians": taught(800), "student_guardians": taught(800), "student_records": taught(600),
		}},
		"a guardian of one student": {guardian, table{
			"institutions": {101}, "academic_years": {201}, "classes": {302}, "sections": {403}, "subjects": between(1001, 1006), "exams": {1201, 1202}, "teaching_assignments": {403}, "students": {601},
			"enrollments": {901}, "guardians": {801}, "student_guardians": {801}, "student_records": {601},
		}},
		"a guardian who also works at an institution": {db.Visibility{Institutions: []uuid.UUID{row(102)}, GuardianOf: row(504)}, table{
			"institutions": {101, 102}, "academic_years": {201, 203}, "classes": {302, 304, 305}, "sections": {403, 406, 407}, "subjects": between(1001, 1009), "exams": {1201, 1202}, "teaching_assignments": {403, 406},
			"students": join([]int{601}, between(621, 624)), "enrollments": join([]int{901}, between(921, 924)),
			"guardians": join([]int{801}, between(821, 824)), "student_guardians": join([]int{801}, between(821, 824)),
			"student_records": join([]int{601}, between(621, 624)),
		}},
		"a teacher of nothing":   {db.Visibility{TeacherOf: row(502)}, table{}},
		"a guardian of nobody":   {db.Visibility{GuardianOf: row(503)}, table{}},
		"an unknown institution": {db.Visibility{Institutions: []uuid.UUID{row(199)}}, table{}},
	} {
		require.NoError(t, s.limited(t, c.visible, func(ctx context.Context, conn *pgx.Conn) error {
			for _, tab := range []string{
				"institutions", "academic_years", "classes", "sections", "subjects", "exams", "teaching_assignments", "students", "enrollments", "guardians",
				"student_guardians", "student_records",
			} {
				got, err := numbers(ctx, conn, tab)
				if err != nil {
					return err
				}
				assert.ElementsMatch(t, c.want[tab], got, "%s: %s", name, tab)
			}
			return nil
		}))
	}
}

// taught are the rows of the teacher's students, of so many hundreds (internal/seed).
func taught(hundred int) []int {
	return slices.Concat(between(hundred+1, hundred+6), between(hundred+11, hundred+14), between(10*hundred+25, 10*hundred+43), between(10*hundred+65, 10*hundred+85))
}

func TestLimited_countsAndFiltersKnowOnlyItsRows(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	unknown := row(199)
	require.NoError(t, s.limitedQueries(t, lakeCampus, func(ctx context.Context, q *db.Queries) error {
		for _, filter := range []gendb.CountStudentsParams{
			{InstitutionID: new(row(101))},
			{ClassID: new(row(302))},
			{SectionID: new(row(403))},
			{Pattern: new("%asha%")},
			{InstitutionID: &unknown},
		} {
			filter.Most = 100
			n, err := q.CountStudents(ctx, filter)
			require.NoError(t, err)
			assert.Zero(t, n)
		}
		n, err := q.CountStudents(ctx, gendb.CountStudentsParams{Most: 100})
		assert.EqualValues(t, 4, n)
		return err
	}))
}

// A teacher's view follows the enrollments, and a guardian's stays with the student.
func TestLimited_followsTransfersAtOnce(t *testing.T) {
	t.Parallel()
	s := newDemo(t)
	sees := func(v db.Visibility, table string, n int) bool {
		var got []int
		require.NoError(t, s.limited(t, v, func(ctx context.Context, conn *pgx.Conn) (err error) {
			got, err = numbers(ctx, conn, table)
			return err
		}))
		return slices.Contains(got, n)
	}
	require.True(t, sees(teacher, "students", 601))
	require.True(t, sees(guardian, "students", 601))
	s.Exec(t, "update "+s.schema+".enrollments set status = 'withdrawn', ended_on = '2026-09-01' where id = $1", row(901))
	assert.False(t, sees(teacher, "students", 601), "who has left the section")
	assert.False(t, sees(teacher, "guardians", 801))
	assert.True(t, sees(guardian, "students", 601), "one's own child, whatever the status")
	assert.True(t, sees(guardian, "sections", 403))

	s.Exec(t, "insert into "+s.schema+".teaching_assignments values ($1, $2)", row(502), row(406))
	assert.True(t, sees(db.Visibility{TeacherOf: row(502)}, "students", 621))
	assert.False(t, sees(db.Visibility{TeacherOf: row(502)}, "students", 624), "withdrawn")
	s.Exec(t, "delete from "+s.schema+".teaching_assignments where user_id = $1", row(502))
	assert.False(t, sees(db.Visibility{TeacherOf: row(502)}, "students", 621))
}

// TestLimited_transactionsOverOneConnectionNeverSeeAnothersRows alternates at random, and breaks some off.
func TestLimited_transactionsOverOneConnectionNeverSeeAnothersRows(t *testing.T) {
	t.Parallel()
	const requests = 1_000
	s := newDemo(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	own := db.Tenant(s.tenant.ID)
	asks := []struct {
		scope       db.Scope
		want        int64
		first, last string
	}{
		{own, 300, "Aanya", "Zoya"},
		{own.Limited(db.Visibility{All: true}), 300, "Aanya", "Zoya"},
		{own.Limited(lakeCampus), 4, "Kunal", "Omkar"},
		{own.Limited(teacher), 50, "Aanya", "Zoya"},
		{own.Limited(guardian), 1, "Asha", "Asha"},
		{own.Limited(db.Visibility{}), 0, "", ""},
		{db.Tenant(seed.Demo2Tenant).Limited(guardian), 1, "Bruno", "Bruno"},
	}
	random := rand.New(rand.NewPCG(3, 4))
	begin := time.Now()
	seen := map[int]int{}
	for i := range requests {
		which := random.IntN(len(asks))
		a := asks[which]
		err := pool.InTx(t.Context(), a.scope, db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
			n, err := q.CountStudents(ctx, gendb.CountStudentsParams{Most: 1000})
			require.NoError(t, err)
			require.Equal(t, a.want, n, "request %d", i)
			list, err := q.ListStudentsByName(ctx, gendb.ListStudentsByNameParams{RowLimit: 1000})
			require.NoError(t, err)
			require.Len(t, list, int(a.want))
			for _, student := range list {
				require.GreaterOrEqual(t, student.FirstName, a.first)
				require.LessOrEqual(t, student.FirstName, a.last)
			}
			if random.IntN(4) == 0 {
				return pgx.ErrNoRows // rolled back
			}
			return nil
		})
		if err != nil {
			require.ErrorIs(t, err, pgx.ErrNoRows)
		}
		seen[which]++
	}
	require.Len(t, seen, len(asks))
	t.Logf("%d alternating transactions in %v over one connection, 0 saw another's rows", requests, time.Since(begin).Round(time.Millisecond))
}
