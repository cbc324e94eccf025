package tenant_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func TestCreate_makesATenantThatWorks(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	made, err := d.Registry().Create(t.Context(), tenant.CreateParams{Slug: "demo", Name: "Demo School"})
	require.NoError(t, err)
	assert.Equal(t, "demo", made.Slug)
	assert.Equal(t, "Demo School", made.Name)
	assert.Equal(t, tenant.Active, made.Status)
	assert.Equal(t, uuid.Version(7), made.ID.Version())
	assert.WithinDuration(t, time.Now(), made.CreatedAt, time.Minute)
	require.NoError(t, write(t.Context(), d.DB, made.ID))

	found, err := d.Registry().BySlug(t.Context(), "demo")
	require.NoError(t, err)
	assert.Equal(t, made, found)
	found, err = d.Registry().ByID(t.Context(), made.ID)
	require.NoError(t, err)
	assert.Equal(t, made, found)
}

func TestCreate_takesAnID(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := uuid.New()
	made, err := d.Registry().Create(t.Context(), params(id, "demo"))
	require.NoError(t, err)
	assert.Equal(t, id, made.ID)
}

func TestCreate_theRolesCanDoNothingByThemselves(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	role := db.SchemaName(d.Tenant(t, "demo").ID)
	for _, name := range []string{role, db.LimitedRole(role), db.InstitutionsRole(role)} {
		assert.False(t, dbtest.Value[bool](t, d, `select rolcanlogin or rolinherit or rolsuper or rolcreaterole or rolcreatedb
			or rolbypassrls from pg_roles where rolname = $1`, name))
	}
}

func TestCreate_refusesBadParams(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for field, bad := range map[string][]tenant.CreateParams{
		"slug": {
			{Slug: "", Name: "x"},
			{Slug: "Upper", Name: "x"},
			{Slug: "-a", Name: "x"},
			{Slug: `a"; drop schema control`, Name: "x"},
			{Slug: "a\n", Name: "x"},
			{Slug: strings.Repeat("a", 64), Name: "x"},
		},
		"name": {{Slug: "a", Name: ""}, {Slug: "a", Name: strings.Repeat("é", 201)}},
	} {
		for _, p := range bad {
			_, err := d.Registry().Create(t.Context(), p)
			requireKind(t, apperr.Invalid, err)
			require.ErrorContains(t, err, "body "+field)
		}
	}
	_, err := d.Registry().Create(t.Context(),
		tenant.CreateParams{Slug: strings.Repeat("a", 63), Name: strings.Repeat("é", 200)})
	require.NoError(t, err, "the table's rules are the same")
}

func TestCreate_takenSlugOrIDIsAConflict(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	demo := d.Tenant(t, "demo")
	for _, p := range []tenant.CreateParams{params(uuid.Nil, "demo"), params(uuid.New(), "demo"), params(demo.ID, "other")} {
		_, err := d.Registry().Create(t.Context(), p)
		requireKind(t, apperr.Conflict, err)
	}
	require.NoError(t, d.Registry().Suspend(t.Context(), demo.ID))
	_, err := d.Registry().Create(t.Context(), params(uuid.Nil, "demo"))
	requireKind(t, apperr.Conflict, err)
	assert.ErrorContains(t, err, "suspended")
}

func TestCreate_isCompletedByCreatingAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := d.Registry()
	id := uuid.New()
	unblock := blockCreation(t, d, id)

	_, err := r.Create(t.Context(), params(id, "demo"))
	require.ErrorContains(t, err, "create it again")
	half, err := r.BySlug(t.Context(), "demo")
	require.NoError(t, err)
	assert.Equal(t, tenant.Provisioning, half.Status)
	assert.Equal(t, []int64{0, 1}, versions(t, d, db.SchemaName(id)))
	require.ErrorIs(t, write(t.Context(), d.DB, id), db.ErrTenantUnavailable)
	require.NoError(t, tenant.NewMigrator(d.URL).Up(t.Context(), nil), "a migration leaves it alone")

	unblock()
	_, err = r.Create(t.Context(), params(uuid.New(), "demo"))
	requireKind(t, apperr.Conflict, err)
	made, err := r.Create(t.Context(), params(uuid.Nil, "demo"))
	require.NoError(t, err)
	assert.Equal(t, id, made.ID)
	assert.Equal(t, tenant.Active, made.Status)
	require.NoError(t, write(t.Context(), d.DB, id))
}

// The last step before "active" are the grants: a crash just before them must not leave a tenant without.
func TestCreate_isCompletedAfterACrashBeforeTheGrants(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	demo := d.Tenant(t, "demo")
	d.Exec(t, "drop owned by "+db.SchemaName(demo.ID))
	d.Exec(t, "update control.tenants set status = 'provisioning'")
	_, err := d.Registry().Create(t.Context(), params(uuid.Nil, "demo"))
	require.NoError(t, err)
	require.NoError(t, write(t.Context(), d.DB, demo.ID))
}

func TestCreate_tenAtOnce(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var group errgroup.Group
	begin := time.Now()
	for i := range 10 {
		group.Go(func() error {
			made, err := d.Registry().Create(t.Context(), params(uuid.Nil, fmt.Sprintf("school-%d", i)))
			if err != nil {
				return err
			}
			return write(t.Context(), d.DB, made.ID)
		})
	}
	require.NoError(t, group.Wait())
	t.Logf("ten tenants in %v", time.Since(begin).Round(time.Millisecond))
	list, err := d.Registry().List(t.Context())
	require.NoError(t, err)
	assert.Len(t, list, 10)
}

func TestCreate_oneOfConcurrentCallsWithTheSameSlugSucceeds(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	outcomes := make(chan error)
	const calls = 6
	for range calls {
		go func() {
			_, err := d.Registry().Create(t.Context(), params(uuid.Nil, "demo"))
			outcomes <- err
		}()
	}
	succeeded := 0
	for range calls {
		if err := <-outcomes; err == nil {
			succeeded++
		} else {
			assert.Equal(t, apperr.Conflict, apperr.KindOf(err), err)
			require.ErrorContains(t, err, `The slug "demo" belongs to`)
		}
	}
	assert.Equal(t, 1, succeeded)
	assert.Equal(t, 1, dbtest.Value[int](t, d, `select count(*) from pg_namespace where nspname ~ '^t_'`))
	demo, err := d.Registry().BySlug(t.Context(), "demo")
	require.NoError(t, err)
	require.NoError(t, write(t.Context(), d.DB, demo.ID))
}

// Roles belong to the whole server: copies of a database, as for a rehearsal, share them.
func TestCreate_theSameTenantInSeveralDatabasesAtOnce(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	var group errgroup.Group
	for range 4 {
		d := dbtest.New(t)
		group.Go(func() error {
			if _, err := d.Registry().Create(t.Context(), params(id, "demo")); err != nil {
				return err
			}
			return write(t.Context(), d.DB, id)
		})
	}
	require.NoError(t, group.Wait())
}

// Another database's creation of the role is under way, so it does not exist yet, and does when it is created here.
func TestCreate_whileTheRoleIsMadeElsewhere(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := uuid.New()
	elsewhere := d.Conn(t)
	_, err := elsewhere.Exec(t.Context(), "begin; create role "+db.SchemaName(id)+" nologin noinherit")
	require.NoError(t, err)
	created := make(chan error, 1)
	go func() {
		_, err := d.Registry().Create(t.Context(), params(id, "demo"))
		created <- err
	}()
	require.Eventually(t, func() bool {
		return dbtest.Value[bool](t, d, `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock')`)
	}, 20*time.Second, time.Millisecond)
	_, err = elsewhere.Exec(t.Context(), "commit")
	require.NoError(t, err)
	require.NoError(t, <-created)
	require.NoError(t, write(t.Context(), d.DB, id))
}

func TestCreate_theRoleMayUseTablesToCome(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	name := db.SchemaName(d.Tenant(t, "demo").ID)
	d.Exec(t, "create table "+name+".by_hand (n integer)")
	for _, right := range []string{"select", "insert", "update", "delete"} {
		assert.True(t, dbtest.Value[bool](t, d, "select has_table_privilege($1, $2, $3)", name, name+".by_hand", right), right)
	}
	assert.False(t, dbtest.Value[bool](t, d, "select has_table_privilege($1, $2, 'truncate')", name, name+".by_hand"))
}

func TestList_isSortedBySlug(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	list, err := d.Registry().List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, list)

	b, a := d.Tenant(t, "b"), d.Tenant(t, "a")
	list, err = d.Registry().List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []tenant.Tenant{a, b}, list)
}

func TestFind_unknownTenantIsNotFound(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	_, err := d.Registry().BySlug(t.Context(), "nobody")
	requireKind(t, apperr.NotFound, err)
	require.ErrorContains(t, err, `There is no tenant "nobody".`)
	_, err = d.Registry().ByID(t.Context(), uuid.New())
	requireKind(t, apperr.NotFound, err)
	requireKind(t, apperr.NotFound, d.Registry().Suspend(t.Context(), uuid.New()))
	requireKind(t, apperr.NotFound, d.Registry().Resume(t.Context(), uuid.New()))
}

func TestUpdate_changesWhatIsGivenAndNothingElse(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := d.Registry()
	demo, other := d.Tenant(t, "demo"), d.Tenant(t, "other")
	find := func(id uuid.UUID) tenant.Tenant {
		t.Helper()
		found, err := r.ByID(t.Context(), id)
		require.NoError(t, err)
		return found
	}
	want := demo
	require.NoError(t, r.Update(t.Context(), demo.ID, tenant.Change{RequireMFA: new(true)}))
	want.RequireMFA = true
	assert.Equal(t, want, find(demo.ID))
	require.NoError(t, r.Update(t.Context(), demo.ID, tenant.Change{Name: new("Another name")}))
	want.Name = "Another name"
	assert.Equal(t, want, find(demo.ID))
	assert.Equal(t, other, find(other.ID))
	requireKind(t, apperr.Invalid, r.Update(t.Context(), demo.ID, tenant.Change{Name: new("")}))
	requireKind(t, apperr.NotFound, r.Update(t.Context(), uuid.New(), tenant.Change{RequireMFA: new(true)}))
}

func TestSuspend_closesATenantUntilItIsResumed(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := d.Registry()
	demo, other := d.Tenant(t, "demo"), d.Tenant(t, "other")
	for range 2 { // the second time changes nothing
		require.NoError(t, r.Suspend(t.Context(), demo.ID))
		require.ErrorIs(t, write(t.Context(), d.DB, demo.ID), db.ErrTenantUnavailable)
		require.NoError(t, write(t.Context(), d.DB, other.ID))
	}
	for range 2 {
		require.NoError(t, r.Resume(t.Context(), demo.ID))
		require.NoError(t, write(t.Context(), d.DB, demo.ID))
	}
}

func TestResume_doesNotOpenATenantThatIsHalfMade(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := uuid.New()
	blockCreation(t, d, id)
	_, err := d.Registry().Create(t.Context(), params(id, "demo"))
	require.Error(t, err)
	for _, err := range []error{d.Registry().Resume(t.Context(), id), d.Registry().Suspend(t.Context(), id)} {
		requireKind(t, apperr.Conflict, err)
		assert.ErrorContains(t, err, "create it again")
	}
}
