package plans

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// literals are the values of a query's parameters as SQL literals, one or more for each.
type literals map[string][]string

// columnInfo is a column of a table of the tenant or the registry.
type columnInfo struct {
	Table, Name, Type string
	IsKey             bool // the primary key
	IsUnique          bool // part of a unique index
}

const columnsQuery = `select case n.nspname when 'control' then 'control.' else '' end || c.relname, a.attname::text, format_type(a.atttypid, null),
	exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary and i.indnkeyatts = 1 and a.attnum = i.indkey[0]),
	exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisunique and a.attnum = any (i.indkey))
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname in (current_schema(), 'control') and c.relkind in ('r', 'v')`

// resolver finds arguments for queries.
type resolver struct {
	columns map[string]map[string]columnInfo // by table and name
}

func newResolver(ctx context.Context, raw db.Raw) (resolver, error) {
	r := resolver{columns: map[string]map[string]columnInfo{}}
	rows, err := raw.Query(ctx, columnsQuery)
	if err != nil {
		return r, fmt.Errorf("read the columns: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[columnInfo])
	if err != nil {
		return r, fmt.Errorf("read the columns: %w", err)
	}
	for _, c := range all {
		if r.columns[c.Table] == nil {
			r.columns[c.Table] = map[string]columnInfo{}
		}
		r.columns[c.Table][c.Name] = c
	}
	return r, nil
}

// resolveAll finds the arguments of all queries, by query and parameter, with one statement.
func (r resolver) resolveAll(ctx context.Context, raw db.Raw, all []Query) (map[string]literals, error) {
	found := map[string]literals{}
	type place struct{ query, parameter string }
	var places []place
	var expressions []string
	for _, q := range all {
		found[q.Name] = literals{}
		for _, parameter := range q.params {
			alternatives, err := r.expressions(q, parameter)
			if err != nil {
				return nil, err
			}
			for _, e := range alternatives {
				places = append(places, place{q.Name, parameter})
				expressions = append(expressions, "quote_nullable(("+e+")::text)")
			}
		}
	}
	var texts []string
	err := raw.QueryRow(ctx, "with a as ("+anchorQuery+") select array["+strings.Join(expressions, ",\n")+"] from a").Scan(&texts)
	if err != nil {
		return nil, fmt.Errorf("find arguments in the tenant's rows (it needs a student with a teacher and a guardian who sign in; `rollcall seed` makes such): %w", err)
	}
	for i, text := range texts {
		l := found[places[i].query]
		l[places[i].parameter] = append(l[places[i].parameter], text)
	}
	return found, nil
}

// expressions are the SQL of a parameter's values.
func (r resolver) expressions(q Query, parameter string) ([]string, error) {
	for _, key := range []string{q.Name + "." + parameter, parameter} {
		if known, ok := values[key]; ok {
			return known, nil
		}
	}
	tables := tablesOf(q.Text)
	name := strings.TrimPrefix(parameter, "after_")
	for _, anchored := range anchors {
		switch name {
		case anchored:
			return []string{"a." + anchored}, nil
		case anchored + "s":
			return []string{"array[a." + anchored + "]"}, nil
		}
	}
	if e, ok := r.column(q, tables, name); ok {
		return []string{e}, nil
	}
	if one, isMany := strings.CutSuffix(name, "s"); isMany {
		if e, ok := r.column(q, tables, one); ok {
			return []string{"array[" + e + "]"}, nil
		}
	}
	return nil, errUnknown(q, parameter, tables)
}

// column is the SQL of a column's value in the typical row of the first table that has it; where a row is inserted, a
// value that no row has yet.
func (r resolver) column(q Query, tables []string, name string) (string, bool) {
	for _, table := range tables {
		c, ok := r.columns[table][name]
		switch {
		case !ok:
			continue
		case inserts(q.Text) && c.IsKey && c.Type == "uuid":
			return "gen_random_uuid()", true
		case inserts(q.Text) && c.IsUnique && c.Type == "text":
			return "upper(substr(md5(random()::text), 1, 12))", true
		case inserts(q.Text) && c.IsUnique && c.Type == "bytea":
			return "sha256(random()::text::bytea)", true
		}
		return "(select t." + name + " from " + table + " t where " + r.typical(table) + " limit 1)", true
	}
	return "", false
}

// anchors are columns of anchorQuery that tables have too; a table's typical row has the first of them that it has.
var anchors = []string{"student_id", "section_id", "class_id", "academic_year_id", "institution_id", "user_id"}

// typical is the condition of a table's typical row.
func (r resolver) typical(table string) string {
	if known, ok := typicalOf[table]; ok {
		return known
	}
	for _, anchored := range anchors {
		if _, has := r.columns[table][anchored]; has {
			return "t." + anchored + " = a." + anchored
		}
	}
	return "true"
}

var (
	targets    = regexp.MustCompile(`(?i)\b(?:insert into|update|delete from)\s+((?:control\.)?\w+)`)
	references = regexp.MustCompile(`(?i)\b(?:from|join)\s+((?:control\.)?\w+)`)
)

func inserts(text string) bool { return regexp.MustCompile(`(?i)\binsert into\b`).MatchString(text) }

// tablesOf are the tables of a statement, those that it writes first. Names of functions and of common table expressions are
// among them; they are no tables of the catalogue.
func tablesOf(text string) []string {
	var all []string
	for _, form := range []*regexp.Regexp{targets, references} {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(all, m[1]) {
				all = append(all, m[1])
			}
		}
	}
	return all
}
