package tenant_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// What Citus refuses of tables in a schema that it moves to another server (docs/scale.md has what stands in the way besides). Citus
// itself is not to be had where the tests run, so they ask PostgreSQL's catalogue.
func TestCitus_aTenantsSchemaHasNothingThatItRefuses(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	schema := db.SchemaName(d.Tenant(t, "north").ID)
	for rule, query := range map[string]string{
		"no foreign key leads out of the schema": `select c.conname from pg_constraint c join pg_class r on r.oid = c.confrelid
			where c.contype = 'f' and c.connamespace = $1::text::regnamespace and r.relnamespace <> c.connamespace`,
		"no exclusion constraint":           `select conname from pg_constraint where contype = 'x' and connamespace = $1::text::regnamespace`,
		"no rule":                           `select rulename from pg_rules where schemaname = $1`,
		"no inheritance, and no partitions": `select inhrelid::regclass from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind in ('r', 'p') and c.relnamespace = $1::text::regnamespace`,
		"sequences are bigint, since each server has a range": `select sequencename from pg_sequences where schemaname = $1 and data_type <> 'bigint'::regtype and sequencename not like 'goose%'`,
		"no type of its own, whose number would differ":       `select typname from pg_type where typnamespace = $1::text::regnamespace and typtype in ('e', 'd')`,
		"nothing is temporary or unlogged":                    `select relname from pg_class where relnamespace = $1::text::regnamespace and relpersistence <> 'p'`,
		// citus.enable_unsafe_triggers lets these in: they write to no other schema.
		"triggers call functions of the schema": `select t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
			where not t.tgisinternal and c.relnamespace = $1::text::regnamespace and p.pronamespace <> c.relnamespace`,
	} {
		assert.Empty(t, dbtest.Values[string](t, d, "select x::text from ("+query+") as found (x)", schema), rule)
	}
}
