package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/backup"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// operator is somebody with the program at a database.
type operator struct {
	t   *testing.T
	d   *dbtest.Database
	env []string
}

func newOperator(t *testing.T, d *dbtest.Database) operator {
	t.Helper()
	return operator{t, d, []string{"DATABASE_URL=" + d.URL, "ROLLCALL_ENCRYPTION_KEY=" + testKey}}
}

// says runs a command, which has to end so.
func (o operator) says(code int, want, args string, more ...string) string {
	o.t.Helper()
	out, got := run(o.t, "", o.env, append(strings.Fields(args), more...)...)
	require.Equal(o.t, code, got, "%s: %s", args, out)
	require.Contains(o.t, out, want, args)
	return out
}

// schemaOf is the schema of a tenant.
func (o operator) schemaOf(slug string) string {
	o.t.Helper()
	return db.SchemaName(uuid.MustParse(dbtest.Value[string](o.t, o.d, "select id::text from control.tenants where slug = $1", slug)))
}

// exported is the demo, sealed and exported.
func exported(t *testing.T) (o operator, dir string) {
	t.Helper()
	o = newOperator(t, newDemo(t))
	o.d.Exec(t, "update "+o.schemaOf("demo")+".sections set capacity = 200") // what newDemo says is more than a copy may have
	o.says(0, "done", "jobs run --task seal-audit")
	dir = filepath.Join(t.TempDir(), "demo")
	o.says(0, "Exported tenant demo", "tenant export demo --to", dir)
	return o, dir
}

func TestBackup_aTenantIsRestoredUnderAnotherName(t *testing.T) {
	t.Parallel()
	o, dir := exported(t)
	o.d.Exec(t, "update "+o.schemaOf("demo")+".students set first_name = 'Later' where true") // the export is of before
	o.says(0, "all as exported", "tenant import", dir, "--name", "copy")
	original, restored := o.schemaOf("demo"), o.schemaOf("copy")
	assert.NotEqual(t, original, restored)
	for _, table := range []string{"students", "enrollments", "guardians", "attendance_marks", "exam_results", "report_cards", "audit_events", "audit_seals", "users"} {
		count := dbtest.Value[int64](t, o.d, "select count(*) from "+restored+"."+table)
		assert.Positive(t, count, table)
	}
	assert.Zero(t, dbtest.Value[int64](t, o.d, "select count(*) from "+restored+".students where first_name = 'Later'"))
	assert.Zero(t, dbtest.Value[int64](t, o.d, "select count(*) from "+restored+".webhooks where is_active"))
	assert.Zero(t, dbtest.Value[int64](t, o.d, "select count(*) from "+restored+".sessions"))
	o.says(0, "copy:", "audit verify --tenant copy")

	s := startServe(t, "DATABASE_URL="+o.d.URL, "ROLLCALL_JOBS=off", "ROLLCALL_DRAIN_DELAY=0s")
	defer s.end()
	s.awaitReady()
	status, body := s.post("/v1/auth/login", "", `{"tenant":"copy","email":"registrar@demo.school","password":"rollcall demo 2026"}`)
	require.Equal(t, 200, status, body)
	token := regexp.MustCompile(`"token":"([^"]+)"`).FindStringSubmatch(body)[1]
	status, body = s.post("/v1/students", token, newcomer)
	require.Equal(t, 201, status, body)
	o.says(0, "seal-audit: 1 done", "jobs run --task seal-audit --tenant copy")
	o.says(0, "copy:", "audit verify --tenant copy")

	o.says(0, "Erased", "tenant erase copy --yes")
	assert.Zero(t, dbtest.Value[int64](t, o.d, "select count(*) from pg_roles where rolname like '"+restored+"%'"))
}

// Sealed values can be read in the copy, and found by their digests.
func TestBackup_sealedValuesAreSealedForTheCopy(t *testing.T) {
	t.Parallel()
	o, dir := exported(t)
	o.says(0, "Imported", "tenant import", dir, "--name", "copy")
	id := uuid.MustParse(dbtest.Value[string](t, o.d, "select id::text from control.tenants where slug = 'copy'"))
	box := testBox(t)
	schema := o.schemaOf("copy")
	student := dbtest.Value[string](t, o.d, "select id::text from "+schema+".students where aadhar_sealed is not null order by id limit 1")
	sealed := dbtest.Value[[]byte](t, o.d, "select aadhar_sealed from "+schema+".students where id = '"+student+"'")
	number, err := box.Open(sealed, "students.aadhar "+id.String()+" "+student)
	require.NoError(t, err)
	assert.Equal(t, box.Digest(number, "students.aadhar "+id.String()),
		dbtest.Value[[]byte](t, o.d, "select aadhar_digest from "+schema+".students where id = '"+student+"'"))
}

func TestBackup_anImportIsAllOrNothing(t *testing.T) {
	t.Parallel()
	o, dir := exported(t)
	before := dbtest.Values[string](t, o.d, "select nspname::text from pg_namespace where nspname like 't\\_%' order by 1")
	nothing := func() {
		t.Helper()
		assert.Equal(t, before, dbtest.Values[string](t, o.d, "select nspname::text from pg_namespace where nspname like 't\\_%' order by 1"))
		assert.Equal(t, []string{"demo", "demo2"}, dbtest.Values[string](t, o.d, "select slug from control.tenants order by 1"))
	}
	o.says(1, "is not empty", "tenant export demo --to", dir)
	o.says(1, `There is a tenant "demo2" already`, "tenant import", dir, "--name", "demo2")
	o.says(1, "lower-case letters", "tenant import", dir, "--name", "No Slug")

	key, err := seal.GenerateKey()
	require.NoError(t, err)
	elsewhere := newOperator(t, dbtest.New(t))
	elsewhere.env[1] = "ROLLCALL_ENCRYPTION_KEY=" + key
	elsewhere.says(1, "is sealed with another ROLLCALL_ENCRYPTION_KEY", "tenant import", dir, "--name", "demo")

	students := filepath.Join(dir, "students.csv")
	good, err := os.ReadFile(students)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(students, []byte(strings.Replace(string(good), "Asha", "Isha", 1)), 0o600))
	o.says(1, "students.csv is not what the manifest says", "tenant import", dir, "--name", "copy")
	nothing()
	require.NoError(t, os.WriteFile(students, good, 0o600))

	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	require.NoError(t, err)
	change := func(of func(m *backup.Manifest)) {
		var m backup.Manifest
		require.NoError(t, json.Unmarshal(text, &m))
		of(&m)
		changed, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.json"), changed, 0o600))
	}
	change(func(m *backup.Manifest) { m.SchemaVersion-- })
	o.says(1, "import it with the release that exported it", "tenant import", dir, "--name", "copy")
	change(func(m *backup.Manifest) { m.Tables[len(m.Tables)-1].Rows++ }) // found after everything was loaded
	o.says(1, "after loading, and should have", "tenant import", dir, "--name", "copy")
	nothing()
	require.NoError(t, os.Remove(filepath.Join(dir, "manifest.json")))
	o.says(1, "it is no complete export", "tenant import", dir, "--name", "copy")
}

func TestBackup_aSuspendedTenantIsMovedToAnotherInstallationAndErased(t *testing.T) {
	t.Parallel()
	o := newOperator(t, newDemo(t))
	other := newOperator(t, dbtest.New(t))
	dir := filepath.Join(t.TempDir(), "demo2")
	o.says(0, "Suspended", "tenant suspend demo2")
	o.says(0, "Exported", "tenant export demo2 --to", dir)
	other.says(0, "Imported tenant demo2", "tenant import", dir, "--name", "demo2")
	other.says(0, "active", "tenant list")

	out, code := run(t, "demo\n", o.env, "tenant", "erase", "demo2")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "not confirmed; nothing was done")
	schema := o.schemaOf("demo2")
	out, code = run(t, "demo2\n", o.env, "tenant", "erase", "demo2")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "Erased tenant demo2")
	assert.Zero(t, dbtest.Value[int64](t, o.d, "select count(*) from pg_namespace where nspname = '"+schema+"'"))
	o.says(1, `no tenant "demo2"`, "tenant erase demo2 --yes")
	o.says(0, "Erased", "tenant erase demo --yes")
	o.says(0, "no tenants yet", "tenant list")
}
