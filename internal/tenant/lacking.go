package tenant

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// upgradeBegun is the comment of a schema from the first step of an upgrade to its last. A schema that still has it was left half-way,
// and a dump takes it along.
const upgradeBegun = "rollcall: an upgrade has begun and has not ended"

// shortfall is what a tenant's schema lacks besides migrations.
type shortfall struct {
	Schema     string
	Missing    bool     // there is no schema
	Unfinished bool     // an upgrade was left half-way: anything behind the migrations may not have been done
	Roles      []string // are missing, or the current user may not take them on
	Grants     []string // roles that may too little, or write in the audit trail
	Policies   bool     // a table with row-level security lacks that of a role: one that was lost has taken its policies with it
	Triggers   bool     // a table that is to be audited is not
}

// words are for the operator.
func (s shortfall) words() (lacks []string) {
	for _, part := range []struct {
		lacking bool
		word    string
	}{
		{s.Missing, "schema"},
		{s.Unfinished, "the end of an upgrade"},
		{len(s.Roles) > 0, "roles"},
		{len(s.Grants) > 0, "grants"},
		{s.Policies, "policies"},
		{s.Triggers, "audit triggers"},
	} {
		if part.lacking {
			lacks = append(lacks, part.word)
		}
	}
	return lacks
}

// lacking looks at many schemas, or at one among thousands: it finds a schema's tables by pg_depend, since pg_class has no index by
// schema, and counts instead of asking what exists, which PostgreSQL would look up for the tables of all tenants. It is asked instead
// of granting every time, which would rewrite the catalogue for every table. Of the audit trail a role may have too much, and only the
// tenant's own reads it. Which tables are audited, and that each has two triggers, is said in schema/tenant/00009_audit.sql.
const lacking = `
with wanted as (
	select w.name, n.oid from unnest($1::text[]) as w (name) left join pg_catalog.pg_namespace n on n.nspname = w.name
), roles as (
	select w.name as schema, w.oid as namespace, r.name, p.oid, exists (
		select from pg_catalog.pg_auth_members m join pg_catalog.pg_roles u on u.oid = m.member where m.roleid = p.oid and u.rolname = current_user) as granted
	from unnest($2::text[], $3::text[]) as r (schema, name) join wanted w on w.name = r.schema left join pg_catalog.pg_roles p on p.rolname = r.name
), tables as (
	select c.oid, c.relnamespace, c.relname, c.relkind, c.relrowsecurity, c.relispartition
	from wanted w
	join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = w.oid and d.classid = 'pg_catalog.pg_class'::regclass
	join pg_catalog.pg_class c on c.oid = d.objid
	where c.relkind in ('r', 'p', 'v', 'm') and c.relname <> '` + versionTable + `'
), ungranted as (
	select r.schema, r.name from roles r where not has_schema_privilege(r.oid, r.namespace, 'usage')
	union select r.schema, r.name from roles r join tables c on c.relnamespace = r.namespace
	where case when c.relname like 'audit\_%' then has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate')
			or has_table_privilege(r.oid, c.oid, 'select') <> (r.name = r.schema)
		else not has_table_privilege(r.oid, c.oid, 'select') end
), unprotected as (
	select c.relnamespace from tables c where c.relrowsecurity and (
		1 > (select count(*) from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'all_rows')
		or 1 > (select count(*) from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'of_institution')
		and 1 = (select count(*) from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'institution_id'))
), unaudited as (
	select c.relnamespace from tables c where c.relkind in ('r', 'p') and not c.relispartition
	and coalesce(obj_description(c.oid, 'pg_class'), '') !~ '^audit: none, because '
	and 2 > (select count(*) from pg_catalog.pg_trigger g where g.tgrelid = c.oid and g.tgname in ('audit_write', 'audit_update'))
)
select w.name as "Schema", w.oid is null as "Missing", coalesce(obj_description(w.oid, 'pg_namespace') = $4, false) as "Unfinished",
	array(select r.name from roles r where r.schema = w.name and (r.oid is null or not r.granted)) as "Roles",
	array(select u.name from ungranted u where u.schema = w.name) as "Grants",
	coalesce(w.oid in (select relnamespace from unprotected), false) as "Policies",
	coalesce(w.oid in (select relnamespace from unaudited), false) as "Triggers"
from wanted w`

// lookAt says what schemas of tenants lack, by their names.
func lookAt(ctx context.Context, conn *pgx.Conn, schemas ...string) (map[string]shortfall, error) {
	var of, roles []string
	for _, schema := range schemas {
		for _, role := range rolesOf(schema) {
			of, roles = append(of, schema), append(roles, role)
		}
	}
	rows, err := conn.Query(ctx, lacking, schemas, of, roles, upgradeBegun)
	if err != nil {
		return nil, fmt.Errorf("look at what schemas lack: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[shortfall])
	if err != nil {
		return nil, fmt.Errorf("look at what schemas lack: %w", err)
	}
	byName := make(map[string]shortfall, len(found))
	for _, s := range found {
		byName[s.Schema] = s
	}
	return byName, nil
}

// rolesOf are the roles of a tenant's schema: its own, which sees all rows, and the limited ones, which see what their transaction may.
func rolesOf(schema string) []string {
	return []string{schema, db.LimitedRole(schema), db.InstitutionsRole(schema)}
}
