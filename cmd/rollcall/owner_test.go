package main

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seed"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// newOwner is an operator whose database user is what docs/operate asks for: CREATEROLE, CREATE on the database, and no superuser. All
// that there is was made by that user: the demo is in the database.
func newOwner(t *testing.T) operator {
	t.Helper()
	d := dbtest.New(t)
	for _, schema := range []string{"control", "ext", db.RiverSchema} {
		d.Exec(t, "drop schema "+schema+" cascade")
	}
	o := newOperator(t, d)
	url := d.Login(t, "nosuperuser createrole")
	o.env[0] = "DATABASE_URL=" + url
	o.says(0, "Up to date", "migrate up")
	pool := d.Open(t, db.Config{URL: url})
	require.NoError(t, seed.Demo(t.Context(), pool, tenant.NewRegistry(pool, url), testBox(t)))
	return o
}

func TestOwner_noCommandNeedsASuperuser(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	dir := filepath.Join(t.TempDir(), "demo")
	left := dbtest.Value[string](t, o.d, "select id::text from "+o.schemaOf("demo")+".students where status = 'withdrawn'")
	for _, step := range []struct{ args, want string }{
		{"jobs run", "seal-audit: 2 done, 0 failed"},
		{"audit verify", "demo: "},
		{"tenant create north --name North", "Created tenant north"},
		{"tenant update north --require-mfa", "Updated tenant north"},
		{"tenant suspend north", "Suspended"},
		{"tenant resume north", "Resumed"},
		{"tenant export demo --to " + dir, "Exported tenant demo"},
		{"tenant import " + dir + " --name copy", "all as exported"},
		{"audit verify --tenant copy", "copy: "},
		{"student export " + left + " --tenant copy", "firstName"},
		{"student erase " + left + " --tenant copy --yes", "Erased"},
		{"jobs run --tenant copy", "seal-audit: 1 done, 0 failed"},
		{"audit verify --tenant copy", "erased"},
		{"seed --students 50 --tenant large", "Filled tenant large with 50 students"},
		{"seed --students 20 --tenant large", "Filled tenant large with 20 students"},
		{"migrate up --recheck", "Up to date: the registry and 5 tenants"},
		{"tenant erase copy --yes", "Erased tenant copy"},
		{"tenant erase large --yes", "Erased tenant large"},
		{"migrate status", "north"},
	} {
		o.says(0, step.want, step.args)
	}

	s := startServe(t, o.env[0], "ROLLCALL_DRAIN_DELAY=0s")
	defer s.end()
	s.awaitReady()
	status, body := s.post("/v1/students", s.signIn(), newcomer)
	require.Equal(t, http.StatusCreated, status, body)
}
