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
	for _, tenant := range []string{schema, db.SchemaName(seed.Demo2Tenant)} {
		assert.EqualValues(t, 24, dbtest.Value[int64](t, d, `select count(*) from `+tenant+`.students`))
		assert.EqualValues(t, 23, dbtest.Value[int64](t, d, `select count(*) from `+tenant+`.enrollments where status = 'active'`))
	}
	assert.Equal(t,
		dbtest.Values[string](t, d, `select id::text from `+schema+`.students order by id`),
		dbtest.Values[string](t, d, `select id::text from `+db.SchemaName(seed.Demo2Tenant)+`.students order by id`),
		"the same ids, for other people")
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
