package tenant_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// withIndex is the next version of this program, which builds an index that two equal rows prevent.
func withIndex(t *testing.T) fs.FS {
	t.Helper()
	files, ok := plus(t, "tenant/90000_index.sql", "create unique index concurrently if not exists institutions_active_key on institutions (is_active)").(fstest.MapFS)
	require.True(t, ok)
	file := files["tenant/90000_index.sql"]
	file.Data = append([]byte("-- +goose NO TRANSACTION\n"), file.Data...)
	return files
}

func TestUp_buildsAnIndexAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	demo := d.Tenant(t, "demo")
	schema := db.SchemaName(demo.ID)
	for _, code := range []string{"A", "B"} {
		d.Exec(t, "insert into "+schema+".institutions (id, name, code) values ($1, $2, $2)", uuid.New(), code)
	}
	isValid := func() []bool {
		return dbtest.Values[bool](t, d, `select indisvalid from pg_index where indexrelid = to_regclass($1)`, schema+".institutions_active_key")
	}
	m := tenant.NewMigrator(d.URL).WithFiles(withIndex(t))
	require.ErrorContains(t, m.Up(t.Context(), nil), "institutions_active_key")
	require.Equal(t, []bool{false}, isValid(), "a failed build leaves an invalid index")
	require.ErrorContains(t, m.Up(t.Context(), nil), "institutions_active_key", "and is tried again, not taken for the index")

	d.Exec(t, "update "+schema+".institutions set is_active = false where code = 'B'")
	require.NoError(t, m.Up(t.Context(), nil))
	assert.Equal(t, []bool{true}, isValid())
	for slug, n := range pending(t, m) {
		assert.Zero(t, n, slug)
	}
}

// A migration that builds an index waits for all snapshots in the database; who waits for that migration must have none.
func TestUp_whoWaitsForAnIndexDoesNotHoldItUp(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	demo := d.Tenant(t, "demo")
	m := tenant.NewMigrator(d.URL).WithFiles(withIndex(t))
	done := make(chan error)
	for range 3 {
		go func() { done <- m.Up(t.Context(), nil) }()
	}
	for range 3 {
		require.NoError(t, <-done)
	}
	assert.True(t, dbtest.Value[bool](t, d, `select indisvalid from pg_index where indexrelid = to_regclass($1)`, db.SchemaName(demo.ID)+".institutions_active_key"))
}

// A new tenant's indexes are the same as those of one that was migrated.
func TestCreate_hasTheProductionIndexes(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	schema := db.SchemaName(d.Tenant(t, "demo").ID)
	const definitions = `select replace(pg_get_indexdef(indexrelid), $1, '') from pg_index where indrelid::regclass::text like $1 || '.%' and indisvalid order by 1`
	made := dbtest.Values[string](t, d, definitions, schema)
	require.Condition(t, func() bool {
		for _, definition := range made {
			if strings.Contains(definition, "students_search_idx") {
				return true
			}
		}
		return false
	}, "%v", made)
	files, ok := next(t).(fstest.MapFS)
	require.True(t, ok)
	files["tenant/90000_next.sql"] = files["tenant/00017_indexes.sql"] // once more, as for a tenant that is in use
	for _, statement := range regexp.MustCompile(`create index concurrently if not exists (\w+)`).FindAllStringSubmatch(string(files["tenant/00017_indexes.sql"].Data), -1) {
		d.Exec(t, "drop index "+schema+"."+statement[1])
	}
	require.NotEqual(t, made, dbtest.Values[string](t, d, definitions, schema))
	require.NoError(t, tenant.NewMigrator(d.URL).WithFiles(files).Up(t.Context(), nil))
	assert.Equal(t, made, dbtest.Values[string](t, d, definitions, schema))
}
