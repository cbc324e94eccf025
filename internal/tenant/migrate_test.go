package tenant_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// schoolGroups is a database with so many tenants.
func schoolGroups(t *testing.T, n int) (*dbtest.Database, []tenant.Tenant) {
	t.Helper()
	d := dbtest.New(t)
	var group errgroup.Group
	group.SetLimit(4)
	for i := range n {
		group.Go(func() error {
			_, err := d.Registry().Create(t.Context(), tenant.CreateParams{Slug: fmt.Sprintf("school-%02d", i), Name: "School"})
			return err
		})
	}
	require.NoError(t, group.Wait())
	list, err := d.Registry().List(t.Context())
	require.NoError(t, err)
	return d, list
}

func TestUp_migratesAllTenantsInParallel(t *testing.T) {
	t.Parallel()
	d, tenants := schoolGroups(t, 20)
	require.NoError(t, d.Registry().Suspend(t.Context(), tenants[3].ID))
	m := tenant.NewMigrator(d.URL).WithFiles(next(t))
	var names []string
	begin := time.Now()
	require.NoError(t, m.Up(t.Context(), func(done, total int, name string) {
		names = append(names, name)
		assert.Len(t, names, done)
		assert.Equal(t, 21, total)
	}))
	t.Logf("20 tenants in %v", time.Since(begin).Round(time.Millisecond))
	assert.Equal(t, "control", names[0])
	for _, s := range tenants {
		assert.Contains(t, names, s.Slug)
		applied := versions(t, d, db.SchemaName(s.ID))
		assert.EqualValues(t, 90000, applied[len(applied)-1])
		assert.True(t, dbtest.Value[bool](t, d, "select has_table_privilege($1, $2, 'select, insert')",
			db.SchemaName(s.ID), db.SchemaName(s.ID)+".next_version"), "its role may use the new table")
		assert.EqualValues(t, 2, dbtest.Value[int64](t, d, "select count(*) from pg_trigger where tgrelid = $1::regclass and tgname like 'audit%'",
			db.SchemaName(s.ID)+".next_version"), "the new table is audited")
	}
}

func TestUp_aBrokenTenantDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	d, tenants := schoolGroups(t, 5)
	broken := []tenant.Tenant{tenants[1], tenants[3]}
	for _, b := range broken {
		d.Exec(t, "create table "+db.SchemaName(b.ID)+".next_version (n integer)")
	}
	m := tenant.NewMigrator(d.URL).WithFiles(next(t))
	done := 0
	err := m.Up(t.Context(), func(int, int, string) { done++ })
	require.ErrorContains(t, err, `tenant "school-01"`)
	require.ErrorContains(t, err, `tenant "school-03"`)
	require.NotContains(t, err.Error(), "school-00")
	assert.Equal(t, 6, done)
	assert.Equal(t, map[string]int{"": 0, "school-00": 0, "school-01": 1, "school-02": 0, "school-03": 1, "school-04": 0},
		pending(t, m))

	for _, b := range broken {
		d.Exec(t, "drop table "+db.SchemaName(b.ID)+".next_version")
	}
	require.NoError(t, m.Up(t.Context(), nil), "it goes on where it stopped")
	for slug, n := range pending(t, m) {
		assert.Zero(t, n, slug)
	}
}

// pending is the number of open migrations by slug; the registry's has none.
func pending(t *testing.T, m *tenant.Migrator) map[string]int {
	t.Helper()
	all, err := m.Status(t.Context())
	require.NoError(t, err)
	open := map[string]int{}
	for _, s := range all {
		open[s.Slug] = s.Pending
	}
	return open
}

func TestUp_againChangesNothing(t *testing.T) {
	t.Parallel()
	d, _ := schoolGroups(t, 2)
	// Every row of the catalogue that a migration or a grant writes, with the transaction that wrote it.
	const catalogue = `select sum(hashtextextended(concat(oid, xmin), 0)) || ' ' || count(*) from (
		select oid, xmin from pg_class union all select oid, xmin from pg_namespace union all
		select oid, xmin from pg_default_acl union all select oid, xmin from pg_policy union all select oid, xmin from pg_trigger union all select oid, xmin from pg_authid where rolname = any($1)) all_rows`
	roles := dbtest.Values[string](t, d, "select nspname::text from pg_namespace where nspname ~ '^t_'")
	before := dbtest.Value[string](t, d, catalogue, roles)
	for range 2 {
		require.NoError(t, tenant.NewMigrator(d.URL).Up(t.Context(), nil))
	}
	assert.Equal(t, before, dbtest.Value[string](t, d, catalogue, roles))
}

// upTrips is how many exchanges with the database an Up takes.
func upTrips(t *testing.T, d *dbtest.Database, m func(url string) *tenant.Migrator) int64 {
	t.Helper()
	trips := &dbtest.RoundTrips{}
	require.NoError(t, m(trips.Proxy(t, d.URL)).Up(t.Context(), nil))
	return trips.Count()
}

func TestUp_asksNoMoreForMoreTenantsThatAreUpToDate(t *testing.T) {
	t.Parallel()
	few, _ := schoolGroups(t, 1)
	many, _ := schoolGroups(t, 11)
	// An answer that comes in two parts counts twice; ten tenants more would be at least ten.
	assert.InDelta(t, upTrips(t, few, tenant.NewMigrator), upTrips(t, many, tenant.NewMigrator), 5)
	recheck := func(url string) *tenant.Migrator {
		m := tenant.NewMigrator(url)
		m.Recheck = true
		return m
	}
	assert.Greater(t, upTrips(t, many, recheck), upTrips(t, few, recheck)+40, "unless it is asked to")
}

func TestUp_migratesOnlyThoseThatAreBehind(t *testing.T) {
	t.Parallel()
	d, tenants := schoolGroups(t, 3)
	late := db.SchemaName(tenants[1].ID)
	d.Exec(t, "drop owned by "+db.LimitedRole(late))
	var names []string
	require.NoError(t, tenant.NewMigrator(d.URL).Up(t.Context(), func(done, total int, name string) {
		names = append(names, name)
		assert.Equal(t, 4, total)
		assert.Equal(t, 2+len(names), done, "the others are done from the beginning")
	}))
	assert.Equal(t, []string{"control", tenants[1].Slug}, names)
}

// Whoever is killed behind the last migration leaves a schema that has all of them, and triggers that do not know the new column.
func TestUp_endsWhatWasLeftHalfWay(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	schema := db.SchemaName(d.Tenant(t, "demo").ID)
	m := tenant.NewMigrator(d.URL).WithFiles(plus(t, "tenant/90000_next.sql", "alter table students add column nickname text constraint students_nickname_check check (nickname <> '')"))
	rename := func(from, to string) { d.Exec(t, "alter function "+schema+"."+from+" rename to "+to) }
	rename("audit_rows", "audit_rows_away")
	require.ErrorContains(t, m.Up(t.Context(), nil), "audit the tables")
	rename("audit_rows_away", "audit_rows")
	const audited = `select count(*) from pg_trigger where tgrelid = $1::regclass and encode(tgargs, 'escape') like '%nickname%'`
	require.Zero(t, dbtest.Value[int64](t, d, audited, schema+".students"))
	assert.Equal(t, []string{"the end of an upgrade"}, lacks(t, m))
	require.NoError(t, m.Up(t.Context(), nil))
	assert.EqualValues(t, 2, dbtest.Value[int64](t, d, audited, schema+".students"))
	assert.Empty(t, lacks(t, m))
}

// lacks is what the only tenant's schema needs besides migrations, which it has.
func lacks(t *testing.T, m *tenant.Migrator) []string {
	t.Helper()
	all, err := m.Status(t.Context())
	require.NoError(t, err)
	last := all[len(all)-1]
	assert.Zero(t, last.Pending)
	return last.Lacks
}

func TestUp_auditsATableThatSomebodyMadeByHand(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	schema := db.SchemaName(d.Tenant(t, "demo").ID)
	m := tenant.NewMigrator(d.URL)
	d.Exec(t, "create table "+schema+".lockers (id uuid primary key)")
	assert.Equal(t, []string{"audit triggers"}, lacks(t, m))
	require.NoError(t, m.Up(t.Context(), nil))
	assert.Empty(t, lacks(t, m))
}

func TestUp_leavesATenantAloneThatIsErasedMeanwhile(t *testing.T) {
	t.Parallel()
	d, tenants := schoolGroups(t, 2)
	erased := tenants[1]
	require.NoError(t, tenant.NewMigrator(d.URL).WithFiles(next(t)).Up(t.Context(), func(_, _ int, name string) {
		if name == "control" { // the tenants are listed, and their turn has not come
			assert.NoError(t, d.Registry().Erase(t.Context(), erased))
		}
	}))
	assert.Zero(t, dbtest.Value[int64](t, d, `select (select count(*) from pg_namespace where nspname = $1) +
		(select count(*) from pg_roles where starts_with(rolname, $1))`, db.SchemaName(erased.ID)))
}

func TestUp_twoAtOnce(t *testing.T) {
	t.Parallel()
	d, tenants := schoolGroups(t, 4)
	files := next(t)
	var group errgroup.Group
	for range 3 {
		group.Go(func() error { return tenant.NewMigrator(d.URL).WithFiles(files).Up(t.Context(), nil) })
	}
	require.NoError(t, group.Wait())
	for _, s := range tenants {
		assert.Equal(t, 1, dbtest.Value[int](t, d,
			"select count(*) from "+db.SchemaName(s.ID)+".goose_db_version where version_id = 90000"))
	}
}

func TestUp_saysThatItWaitsForAnother(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	other := d.Conn(t)
	_, err := other.Exec(t.Context(), "select pg_advisory_lock(hashtextextended('rollcall control', 0))")
	require.NoError(t, err)
	m := tenant.NewMigrator(d.URL)
	waits, ended := make(chan bool, 2), make(chan error, 1)
	m.Waiting = func() { waits <- true }
	go func() { ended <- m.Up(t.Context(), nil) }()
	<-waits
	require.NoError(t, other.Close(t.Context()))
	require.NoError(t, <-ended)
	assert.Empty(t, waits, "it says so once")
}

func TestUp_makesANewDatabase(t *testing.T) {
	t.Parallel()
	d := emptyDatabase(t)
	var group errgroup.Group
	for range 3 {
		group.Go(func() error { return tenant.NewMigrator(d.URL).Up(t.Context(), nil) })
	}
	require.NoError(t, group.Wait())
	require.NoError(t, write(t.Context(), d.DB, d.Tenant(t, "demo").ID))
}

// emptyDatabase is one that no migration has seen.
func emptyDatabase(t *testing.T) *dbtest.Database {
	t.Helper()
	d := dbtest.New(t)
	d.Exec(t, "drop schema control cascade")
	d.Exec(t, "drop schema ext cascade")
	d.Exec(t, "drop schema "+db.RiverSchema+" cascade")
	return d
}

// A dump that is restored on another server has the schemas, and neither the roles nor what was granted to them or said
// about them in policies.
func TestUp_restoresRolesGrantsAndPolicies(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]func(schema string) []string{
		"all rows":        func(schema string) []string { return []string{schema} },
		"limited":         func(schema string) []string { return []string{db.LimitedRole(schema)} },
		"of institutions": func(schema string) []string { return []string{db.InstitutionsRole(schema)} },
		"every": func(schema string) []string {
			return []string{schema, db.LimitedRole(schema), db.InstitutionsRole(schema)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			demo := d.Tenant(t, "demo")
			require.NoError(t, writeAndLook(t.Context(), d.DB, demo.ID))
			for _, role := range lost(db.SchemaName(demo.ID)) {
				d.Exec(t, "drop owned by "+role)
				d.Exec(t, "drop role "+role)
			}
			require.ErrorIs(t, writeAndLook(t.Context(), d.DB, demo.ID), db.ErrTenantUnavailable)
			m := tenant.NewMigrator(d.URL)
			assert.Subset(t, lacks(t, m), []string{"roles"})
			require.NoError(t, m.Up(t.Context(), nil))
			require.NoError(t, writeAndLook(t.Context(), d.DB, demo.ID))
			assert.Empty(t, lacks(t, m))
		})
	}
}

// The audit trail is only read by a tenant's roles; what somebody granted besides is taken back.
func TestUp_takesBackRightsOnTheAuditTrail(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	schema := db.SchemaName(d.Tenant(t, "demo").ID)
	rights := func() []string {
		return dbtest.Values[string](t, d, `select grantee || ' ' || privilege_type from information_schema.role_table_grants
			where table_schema = $1 and table_name = 'audit_events' and grantee like $1 || '%' order by 1`, schema)
	}
	require.Equal(t, []string{schema + " SELECT"}, rights())
	d.Exec(t, "grant insert, delete on "+schema+".audit_events to "+schema)
	d.Exec(t, "grant select on "+schema+".audit_events to "+db.LimitedRole(schema))
	require.NoError(t, tenant.NewMigrator(d.URL).Up(t.Context(), nil))
	assert.Equal(t, []string{schema + " SELECT"}, rights())
}

// A migration that waits for a table holds up every request behind it.
func TestUp_waitsForATableInUseOnlyForAWhile(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Tenant(t, "demo")
	seen := plus(t, "tenant/90000_next.sql", "create table seen as select current_setting('lock_timeout') as lock_timeout; comment on table seen is 'audit: none, because it is gone soon'")
	require.NoError(t, tenant.NewMigrator(d.URL).WithFiles(seen).Up(t.Context(), nil))
	demo, err := d.Registry().BySlug(t.Context(), "demo")
	require.NoError(t, err)
	assert.Equal(t, "10s", dbtest.Value[string](t, d, "select lock_timeout from "+db.SchemaName(demo.ID)+".seen"))
}

func TestStatus_saysWhatIsPending(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	demo := d.Tenant(t, "demo")
	all, err := tenant.NewMigrator(d.URL).Status(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 3)
	for i, name := range []string{"control", db.RiverSchema} {
		assert.Equal(t, name, all[i].Name)
		assert.Empty(t, all[i].Slug)
		assert.Positive(t, all[i].Version)
		assert.Zero(t, all[i].Pending)
	}
	assert.Equal(t, db.SchemaName(demo.ID), all[2].Name)
	assert.Equal(t, "demo", all[2].Slug)
	assert.Zero(t, all[2].Pending)
	assert.Equal(t, map[string]int{"": 0, "demo": 1}, pending(t, tenant.NewMigrator(d.URL).WithFiles(next(t))))
}

func TestStatus_ofATenantWithoutASchema(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Exec(t, "drop schema "+db.SchemaName(d.Tenant(t, "demo").ID)+" cascade")
	assert.Positive(t, pending(t, tenant.NewMigrator(d.URL))["demo"])
}

func TestStatus_ofANewDatabase(t *testing.T) {
	t.Parallel()
	d := emptyDatabase(t)
	all, err := tenant.NewMigrator(d.URL).Status(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Zero(t, all[0].Version)
	assert.Positive(t, all[0].Pending)
	assert.Empty(t, dbtest.Values[string](t, d, "select nspname::text from pg_namespace where nspname = 'control'"))
}

func TestCheck_wantsAnUpToDateRegistry(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	m := tenant.NewMigrator(d.URL)
	require.NoError(t, m.Check(t.Context()))
	require.NoError(t, m.WithFiles(next(t)).Check(t.Context()), "the tenants are not its business")
	behind := m.WithFiles(plus(t, "control/90000_next.sql", "select 1"))
	require.ErrorIs(t, behind.Check(t.Context()), tenant.ErrMigrationsPending)
	require.ErrorContains(t, tenant.NewMigrator(emptyDatabase(t).URL).Check(t.Context()), "run `rollcall migrate up`")
	d.Exec(t, "drop schema "+db.RiverSchema+" cascade")
	require.ErrorIs(t, m.Check(t.Context()), tenant.ErrMigrationsPending, "the job queue is missing")
	require.NoError(t, m.Up(t.Context(), nil))
	require.NoError(t, m.Check(t.Context()))
}

func TestCheck_noServer(t *testing.T) {
	t.Parallel()
	err := tenant.NewMigrator("postgres://nobody@127.0.0.1:1/none?sslmode=disable").Check(t.Context())
	require.ErrorContains(t, err, "connect to the database")
}
