package large_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// digests are one of each table of the tenant's schema. role_changes counts changes, and only ever up; audit_seals has the
// time of sealing, and the digests of audit_events.
func digests(t *testing.T, d *dbtest.Database, of tenant.Tenant) map[string]string {
	t.Helper()
	schema := db.SchemaName(of.ID)
	all := map[string]string{}
	for _, table := range dbtest.Values[string](t, d, `select tablename::text from pg_tables where schemaname = $1 and tablename not in ('goose_db_version', 'role_changes', 'audit_seals')`, schema) {
		all[table] = dbtest.Value[string](t, d, fmt.Sprintf(
			`select count(*) || ' rows, ' || md5(coalesce(string_agg(r::text, E'\n' order by r::text), '')) from %s.%s r`, schema, table))
	}
	return all
}

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestFill_theSameArgumentsMakeTheSameRows(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	first, second := d.Tenant(t, "first"), d.Tenant(t, "second")
	size := large.Size{Students: 1300, Years: 3, AttendanceDays: 2}
	for _, into := range []tenant.Tenant{first, second} {
		require.NoError(t, large.Fill(t.Context(), d.DB, into.ID, size, nil))
	}
	before := digests(t, d, first)
	assert.Equal(t, before, digests(t, d, second))
	for table, digest := range before {
		assert.NotContains(t, digest, "0 rows, d41d8", "%s is empty", table)
	}

	require.NoError(t, large.Fill(t.Context(), d.DB, first.ID, size, nil), "again")
	again := digests(t, d, first)
	assert.Equal(t, before, again)
	size.Students--
	require.NoError(t, large.Fill(t.Context(), d.DB, second.ID, size, nil))
	assert.NotEqual(t, before, digests(t, d, second), "the comparison can fail")
}

func TestFill_looksLikeASchool(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	made := d.Tenant(t, "large")
	require.NoError(t, large.Fill(t.Context(), d.DB, made.ID, large.Size{Students: 2400, Years: 2}, nil))
	schema := db.SchemaName(made.ID)
	count := func(query string) int { return dbtest.Value[int](t, d, fmt.Sprintf(query, schema)) }
	assert.Equal(t, 2, count(`select count(*) from %s.institutions`))
	assert.Equal(t, 2400, count(`select count(*) from %s.students`))
	assert.InDelta(t, 72, count(`select count(*) from %s.students where status = 'withdrawn'`), 30)
	assert.Zero(t, count(`select count(*) from %[1]s.students s where status = 'active' and not exists
		(select from %[1]s.enrollments e where e.student_id = s.id and e.status = 'active')`), "who has not left has a place")
	assert.Zero(t, count(`select count(*) from %[1]s.students s where status = 'withdrawn' and exists
		(select from %[1]s.enrollments e where e.student_id = s.id and e.status = 'active')`), "who has left has none")
	assert.Zero(t, count(`select count(*) from %[1]s.enrollments e join %[1]s.academic_years y on y.id = e.academic_year_id
		where e.started_on < y.start_date or coalesce(e.ended_on, y.end_date) > y.end_date`), "places lie within their year")
	assert.LessOrEqual(t, count(`select max(n)::int from (select count(*) as n from %s.enrollments where status = 'active' group by section_id) x`), 40)
	assert.Greater(t, count(`select count(*) from (select guardian_id from %s.student_guardians group by 1 having count(*) > 1) siblings`), 100)
	assert.Zero(t, count(`select count(*) from %s.users where password_hash is not null`), "nobody signs in")
}

func TestFill_marksStudentsWhereTheySit(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	made := d.Tenant(t, "large")
	require.NoError(t, large.Fill(t.Context(), d.DB, made.ID, large.Size{Students: 150, Years: 1, AttendanceDays: 150}, nil))
	schema := db.SchemaName(made.ID)
	count := func(query string) int { return dbtest.Value[int](t, d, fmt.Sprintf(query, schema)) }
	assert.InDelta(t, 150*150, count(`select count(*) from %s.attendance_marks`), 1000)
	assert.Zero(t, count(`select count(*) from %[1]s.attendance_marks m where not exists (select from %[1]s.enrollments e
		where e.student_id = m.student_id and e.section_id = m.section_id and m.date between e.started_on and coalesce(e.ended_on, m.date))`), "marked where they sit")
	assert.InDelta(t, 0.92, dbtest.Value[float64](t, d, `select avg((status = 'present')::int)::float8 from `+schema+`.attendance_marks`), 0.01)
}

func TestFill_leavesATenantWithDataOfItsOwnAlone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	own := d.Tenant(t, "own")
	schema := db.SchemaName(own.ID)
	d.Exec(t, "insert into "+schema+".institutions (id, name, code) values (gen_random_uuid(), 'A school', 'OWN')")
	require.ErrorIs(t, large.Fill(t.Context(), d.DB, own.ID, large.Size{Students: 10, Years: 1}, nil), large.ErrHasData)
	assert.Equal(t, []string{"A school"}, dbtest.Values[string](t, d, "select name from "+schema+".institutions"))
}

// The made-up trail is a good one, and further changes go on from it.
func TestFill_theAuditTrailIsWhole(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	made := d.Tenant(t, "large")
	schema := db.SchemaName(made.ID)
	require.NoError(t, large.Fill(t.Context(), d.DB, made.ID, large.Size{Students: 150, Years: 1}, nil))
	assert.Equal(t, 150, dbtest.Value[int](t, d, "select count(*)::int from "+schema+".audit_events"))
	assert.Equal(t, 50, dbtest.Value[int](t, d, "select count(*)::int from "+schema+".audit_seals"))
	assert.Equal(t, 100, dbtest.Value[int](t, d, "select count(*)::int from "+schema+".audit_unsealed"))
	d.Exec(t, "update "+schema+".institutions set name = 'Another'")
	assert.Equal(t, 151, dbtest.Value[int](t, d, "select count(*)::int from "+schema+".audit_events"), "the triggers are on again")
}

func TestFill_refusesSizesOutOfBounds(t *testing.T) {
	t.Parallel()
	for _, s := range []large.Size{{Students: 0, Years: 1}, {Students: 1, Years: 0}, {Students: large.MostStudents + 1, Years: 1}, {Students: 1, Years: large.MostYears + 1}} {
		require.Error(t, s.Validate(), s)
	}
	assert.NoError(t, large.Size{Students: large.MostStudents, Years: large.MostYears}.Validate())
}
