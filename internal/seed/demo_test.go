package seed_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/seed"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func demo(t *testing.T, d *dbtest.Database) error {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{1}, seal.KeySize))
	require.NoError(t, err)
	return seed.Demo(t.Context(), d.DB, d.Registry(), box)
}

func TestDemo_fillsBothTenantsOnceAndLeavesThemAlone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	require.NoError(t, demo(t, d))
	schema := db.SchemaName(seed.DemoTenant)
	d.Exec(t, `update `+schema+`.students set first_name = 'Changed' where admission_number = '2026-001'`)

	require.NoError(t, demo(t, d))
	assert.Equal(t, "Changed", dbtest.Value[string](t, d, `select first_name from `+schema+`.students where admission_number = '2026-001'`))
	for tenant, students := range map[string]int{schema: 300, db.SchemaName(seed.Demo2Tenant): 24} {
		assert.EqualValues(t, students, dbtest.Value[int64](t, d, `select count(*) from `+tenant+`.students`))
		assert.EqualValues(t, students-1, dbtest.Value[int64](t, d, `select count(*) from `+tenant+`.enrollments where status = 'active'`))
	}
	assert.Equal(t,
		dbtest.Values[string](t, d, `select id::text from `+schema+`.students where right(id::text, 4)::integer < 1000 order by id`),
		dbtest.Values[string](t, d, `select id::text from `+db.SchemaName(seed.Demo2Tenant)+`.students order by id`),
		"the same ids, for other people")
}

// The registers of the demo are such as the service itself would have taken.
func TestDemo_showsABelievableTerm(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	require.NoError(t, demo(t, d))
	in := `from ` + db.SchemaName(seed.DemoTenant) + `.`
	assert.Zero(t, dbtest.Value[int64](t, d, `select count(*) `+in+`attendance_marks where extract(isodow from date) > 5 or date < '2026-06-08' or date > '2026-09-30'`))
	assert.Zero(t, dbtest.Value[int64](t, d, `select count(*) `+in+`attendance_marks m join `+db.SchemaName(seed.DemoTenant)+`.holidays h
		on h.academic_year_id = m.academic_year_id and m.date between h.start_date and h.end_date`))
	days := dbtest.Value[int64](t, d, `select count(distinct date) `+in+`attendance_registers`)
	assert.Equal(t, int64(82), days)
	assert.Equal(t, 300*days, dbtest.Value[int64](t, d, `select count(*) `+in+`attendance_marks`))
	for status, about := range map[string][2]float64{"present": {90, 97}, "absent": {1, 4}, "late": {1, 4}, "excused": {0.3, 3}} {
		share := dbtest.Value[float64](t, d, `select 100.0 * count(*) filter (where status = $1) / count(*) `+in+`attendance_marks`, status)
		assert.Greater(t, share, about[0], status)
		assert.Less(t, share, about[1], status)
	}
	assert.EqualValues(t, 1, dbtest.Value[int64](t, d, `select count(*) `+in+`attendance_corrections`))
	assert.Zero(t, dbtest.Value[int64](t, d, `select count(*) from (select section_id, count(*) as students `+in+`enrollments where status = 'active' group by 1) e
		join `+db.SchemaName(seed.DemoTenant)+`.sections s on s.id = e.section_id where e.students > s.capacity`))
	assert.Zero(t, dbtest.Value[int64](t, d, `select count(*) from (select 1 `+in+`students group by first_name, last_name having count(*) > 1) twice`))
}

func TestDemo_refusesATenantOfTheSameNameThatIsNotTheDemo(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Tenant(t, "demo")
	require.ErrorContains(t, demo(t, d), "not the demo's")
}

func TestSignIns_areFourInEachTenant(t *testing.T) {
	t.Parallel()
	assert.Len(t, seed.SignIns(), 8)
	assert.Equal(t, seed.SignIn{Tenant: "demo", Email: "admin@demo.school", Role: "admin"}, seed.SignIns()[0])
}
