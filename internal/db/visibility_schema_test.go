package db_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// seenWhole are the tables that belong to an institution or a student and are not limited by row, each with the reason.
var seenWhole = map[string]string{
	"user_roles": "read before anything is limited, to find out what somebody sees; changed by operations on the whole tenant only",
}

// TestSchema_everyTableOfAnInstitutionOrStudentIsLimitedByRow finds them by their columns and foreign keys, so that a new
// table is found too. What it lacks: see the head of schema/tenant/00008_visibility.sql.
func TestSchema_everyTableOfAnInstitutionOrStudentIsLimitedByRow(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	tables := dbtest.Values[string](t, s.Database, `
		with recursive belongs as (
			select c.oid from pg_class c where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') and (c.relname in ('institutions', 'guardians')
				or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname in
					('institution_id', 'academic_year_id', 'class_id', 'section_id', 'student_id', 'guardian_id', 'enrollment_id')))
			union
			select f.conrelid from pg_constraint f join belongs b on f.confrelid = b.oid where f.contype = 'f'
		)
		select relname::text from belongs join pg_class using (oid) order by 1`, s.schema)
	require.Subset(t, tables, []string{
		"institutions", "academic_years", "classes", "sections", "subjects", "teaching_assignments", "students", "enrollments", "guardians", "student_guardians",
	}, "the search finds what it should")
	for _, table := range tables {
		if seenWhole[table] != "" {
			continue
		}
		policies := dbtest.Values[string](t, s.Database, `select policyname || ' to ' || array_to_string(roles, ',') || ' for ' || cmd
			from pg_policies where schemaname = $1 and tablename = $2 order by 1`, s.schema, table)
		want := []string{"all_rows to " + s.schema + " for ALL", "visible to public for ALL"}
		if dbtest.Value[bool](t, s.Database, `select exists (select from pg_attribute where attrelid = $1::regclass and attname = 'institution_id')`, s.schema+"."+table) {
			want = slices.Insert(want, 1, "of_institution to "+db.InstitutionsRole(s.schema)+" for ALL")
		}
		assert.Equal(t, want, policies, table)
		assert.True(t, dbtest.Value[bool](t, s.Database, "select relrowsecurity from pg_class where oid = $1::regclass", s.schema+"."+table), table)
	}
	for _, table := range slices.Sorted(maps.Keys(seenWhole)) {
		assert.Contains(t, tables, table, "an exception for a table that is none")
	}
	t.Logf("%d tables limited by row, %d seen whole", len(tables)-len(seenWhole), len(seenWhole))
}

// A reference by another key than the id, such as a mark's to its register, is to a row of a section or student that the
// referring row names as well.
func TestSchema_everyReferenceToALimitedTableLooksFirst(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	assert.Empty(t, dbtest.Values[string](t, s.Database, `select c.conname::text from pg_constraint c join pg_class r on r.oid = c.confrelid
		where c.connamespace = $1::regnamespace and c.contype = 'f' and r.relrowsecurity
		and exists (select from pg_attribute i where i.attrelid = r.oid and i.attname = 'id' and i.attnum = any (c.confkey))
		and not exists (select from pg_trigger g where g.tgrelid = c.conrelid and g.tgname = c.conname || '_visible')`, s.schema),
		"select protect_rows() at the end of the migration")
}

func TestSchema_viewsShowWhatTheirReaderSees(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	assert.Empty(t, dbtest.Values[string](t, s.Database, `select relname::text from pg_class where relnamespace = $1::regnamespace
		and (relkind = 'm' or relkind = 'v' and not coalesce('security_invoker=true' = any (reloptions), false))`, s.schema))
}

func TestSchema_functionsWithTheOwnersRightsHaveAFixedPath(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	assert.Empty(t, dbtest.Values[string](t, s.Database, `select proname::text from pg_proc where pronamespace = $1::regnamespace and prosecdef
		and not coalesce('search_path=' || $1 || ', pg_temp' = any (proconfig), false)`, s.schema))
}

// manyStudents puts 20,000 more into an institution of the demo.
func manyStudents(t *testing.T) school {
	t.Helper()
	s := newDemo(t)
	s.Exec(t, `with made as (
			insert into `+s.schema+`.users (id, first_name, last_name) select gen_random_uuid(), 'First' || n, 'Last' || n from generate_series(1, 20000) n returning id, first_name, last_name)
		insert into `+s.schema+`.students (id, user_id, institution_id, first_name, last_name, admission_number, admission_date)
		select gen_random_uuid(), id, $1, first_name, last_name, 'N' || first_name, '2026-04-01' from made`, row(101))
	for _, table := range []string{"students", "users"} {
		s.Exec(t, "vacuum analyze "+s.schema+"."+table) // also merges what waits to be indexed, which makes a search look expensive
	}
	return s
}

// plannedQueries are those whose plans matter.
var plannedQueries = map[string]string{
	"search":         "select * from student_records where search_text like '%first1234%' order by last_name, first_name, id limit 20",
	"count a search": "select count(*) from (select from student_records where search_text like '%first1234%' limit 10001) c",
	"first page":     "select * from student_records order by last_name, first_name, id limit 20",
	"institution":    "select * from student_records where institution_id = '" + row(101).String() + "' order by last_name, first_name, id limit 20",
	"section":        "select * from student_records where section_id = '" + row(403).String() + "' order by last_name, first_name, id limit 20",
	"one":            "select * from student_records where id = '" + row(601).String() + "'",
	"guardians":      "select * from student_guardians l join guardians g on g.id = l.guardian_id where l.student_id = '" + row(601).String() + "'",
}

// An unlimited transaction pays nothing: its plans are those of the owner, to whom row-level security does not apply.
func TestUnlimited_plansAreThoseWithoutRowSecurity(t *testing.T) {
	t.Parallel()
	s := manyStudents(t)
	for name, query := range plannedQueries {
		owner := s.plan(t, "set local search_path = "+s.schema, query)
		unlimited := ""
		require.NoError(t, s.run(t.Context(), s.DB, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) (err error) {
			unlimited, err = explain(ctx, conn, query)
			return err
		}))
		assert.Equal(t, owner, unlimited, name)
		if name == "search" {
			assert.Contains(t, unlimited, "students_search_idx")
			t.Logf("the plan of a search:\n%s", unlimited)
		}
		require.NoError(t, s.limited(t, lakeCampus, func(ctx context.Context, conn *pgx.Conn) error {
			limited, err := explain(ctx, conn, query)
			assert.NotEqual(t, owner, limited, "%s: the comparison can fail", name)
			return err
		}))
	}
}

// A teacher's or guardian's few students are found by their ids, and not by reading everybody.
func TestLimited_plansBeginAtTheFewRowsInReach(t *testing.T) {
	t.Parallel()
	s := manyStudents(t)
	for name, query := range plannedQueries {
		for _, v := range []db.Visibility{teacher, guardian} {
			require.NoError(t, s.limited(t, v, func(ctx context.Context, conn *pgx.Conn) error {
				plan, err := explain(ctx, conn, query)
				for _, everybody := range []string{"Seq Scan on students", "students_name_idx", "students_search_idx"} {
					assert.NotContains(t, plan, everybody, "%s:\n%s", name, plan)
				}
				return err
			}))
		}
	}
}

// plan is the plan of a query for the owner of the tables.
func (s school) plan(t *testing.T, setup, query string) (plan string) {
	t.Helper()
	conn := s.Conn(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), setup); err != nil {
			return err
		}
		var err error
		plan, err = explain(t.Context(), tx.Conn(), query)
		return err
	}))
	return plan
}

func explain(ctx context.Context, conn *pgx.Conn, query string) (string, error) {
	rows, err := conn.Query(ctx, "explain (costs off) "+query)
	if err != nil {
		return "", fmt.Errorf("explain: %w", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}
