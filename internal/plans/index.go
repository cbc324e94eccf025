package plans

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// Index is an index of the tenant's tables.
type Index struct {
	Table, Name string
	Definition  string
	// IsRule is one that a constraint or a unique index needs, whether a query uses it or not.
	IsRule bool
	Bytes  int64
	// Covers is another index that begins with the same columns and makes this one superfluous; empty: none.
	Covers string
}

// indexesQuery finds an index superfluous when another one on the same rows of the table begins with all its columns, in the
// same order, with the same operators. Of two equal ones the later name is superfluous.
const indexesQuery = `with all_indexes as (
	select i.indexrelid, i.indrelid, i.indkey, i.indclass, i.indnkeyatts, c.relname, c.relam, pg_get_expr(i.indpred, i.indrelid) as predicate, pg_get_expr(i.indexprs, i.indrelid) as expressions,
		i.indisunique or exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid) as is_rule
	from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
	where c.relnamespace = current_schema()::regnamespace
)
select i.indrelid::regclass::text, i.relname::text, pg_get_indexdef(i.indexrelid), i.is_rule, pg_relation_size(i.indexrelid),
	coalesce((select min(o.relname::text) from all_indexes o
		where o.indrelid = i.indrelid and o.indexrelid <> i.indexrelid and o.relam = i.relam
		and o.predicate is not distinct from i.predicate and o.expressions is not distinct from i.expressions
		and starts_with(o.indkey::text || ' ', i.indkey::text || ' ') and starts_with(o.indclass::text || ' ', i.indclass::text || ' ')
		and (o.indnkeyatts > i.indnkeyatts or o.is_rule or o.relname < i.relname)), '')
from all_indexes i order by 1, 2`

func readIndexes(ctx context.Context, raw db.Raw) ([]Index, error) {
	rows, err := raw.Query(ctx, indexesQuery)
	if err != nil {
		return nil, fmt.Errorf("read the indexes: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Index])
	if err != nil {
		return nil, fmt.Errorf("read the indexes: %w", err)
	}
	return all, nil
}

// UsedBy are the queries that used each index, in any view and with any arguments.
func (r *Result) UsedBy() map[string][]string {
	used := map[string][]string{}
	seen := map[[2]string]bool{}
	for _, reading := range r.Readings {
		for _, index := range reading.Indexes {
			if key := [2]string{index, reading.Query}; !seen[key] {
				seen[key] = true
				used[index] = append(used[index], reading.Query)
			}
		}
	}
	return used
}

// Unused are the indexes that no query used and no rule needs.
func (r *Result) Unused() []Index {
	used := r.UsedBy()
	var all []Index
	for _, i := range r.Indexes {
		if !i.IsRule && len(used[i.Name]) == 0 {
			all = append(all, i)
		}
	}
	return all
}

// Duplicates are the indexes that another one makes superfluous and no rule needs.
func (r *Result) Duplicates() []Index {
	var all []Index
	for _, i := range r.Indexes {
		if !i.IsRule && i.Covers != "" {
			all = append(all, i)
		}
	}
	return all
}
