package plans

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// Reading is what one execution of a query has cost.
type Reading struct {
	Query     string
	View      string // whose rows are there: all, institution, teacher, guardian
	Arguments string // which filters were set
	Generic   bool   // the plan was made without the arguments

	Returned   int64 // rows, returned or changed, and those that the caller asked to skip
	Read       int64 // rows and index entries of large tables, also by triggers, foreign keys and policies
	Sequential int64 // the part of Read that was no use of an index, in tables that are large
	Large      string
	Indexes    []string // those that were used, from the most read
	filters    []string // the parameters of those set
	Buffers    int64    // pages of 8 KiB
	Millis     float64
}

// trial measures in one transaction, which sees what its view sees.
type trial struct {
	raw   db.Raw
	view  string
	large map[string]bool // tables
	// customOnly leaves out plans without the arguments.
	customOnly bool
}

const probe = "rollcall_plans_probe"

// notNull is the SQLSTATE of a row without a value that it must have.
const notNull = "23502"

// errTooSmall is a tenant whose rows have no value for an argument.
var errTooSmall = errors.New("the tenant has too few rows to find arguments among; measure one of some thousand students (`rollcall seed` makes such)")

// run measures a query with each of its argument lists.
func (t trial) run(ctx context.Context, q Query, all []set) ([]Reading, error) {
	var readings []Reading
	for _, group := range byVariant(q, all) {
		more, err := t.runVariant(ctx, q, group)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == notNull {
			err = fmt.Errorf("%w: there is no %s for it", errTooSmall, pg.ColumnName)
		}
		if err != nil {
			return nil, fmt.Errorf("query %s (%s), seen by %s: %w", q.Name, group.sets[0].label, t.view, err)
		}
		readings = append(readings, more...)
	}
	return readings, nil
}

// variant is one of the statements that a query is run as, and the argument lists that lead to it.
type variant struct {
	text     string
	planEach bool
	sets     []set
}

func byVariant(q Query, all []set) []*variant {
	var groups []*variant
	for _, s := range all {
		text, planEach := db.Variant(q.Text, func(n int) bool { return s.literals[n-1] == null })
		i := slices.IndexFunc(groups, func(v *variant) bool { return v.text == text })
		if i < 0 {
			groups, i = append(groups, &variant{text: text, planEach: planEach}), len(groups)
		}
		groups[i].sets = append(groups[i].sets, s)
	}
	return groups
}

// runVariant measures a statement in each way in which the server may plan it.
func (t trial) runVariant(ctx context.Context, q Query, v *variant) (readings []Reading, err error) {
	if _, err := t.raw.Exec(ctx, "savepoint statement; prepare "+probe+" as "+v.text); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer func() {
		_, cleanErr := t.raw.Exec(ctx, "rollback to savepoint statement; deallocate "+probe)
		err = errors.Join(err, cleanErr)
	}()
	for _, mode := range t.modes(q, v) {
		for _, s := range v.sets {
			reading, ran, err := t.measure(ctx, mode, s)
			if err != nil {
				return nil, err
			}
			if ran {
				reading.Query = q.Name
				readings = append(readings, reading)
			}
		}
	}
	return readings, nil
}

// modes are the ways in which the server plans a statement: for its arguments behind a pooler, and without them where it keeps the
// plan (internal/db, describing filters).
func (t trial) modes(q Query, v *variant) []string {
	if t.customOnly || v.planEach || len(q.params) == 0 {
		return []string{customPlan}
	}
	return []string{customPlan, genericPlan}
}

// Values of plan_cache_mode.
const (
	customPlan  = "force_custom_plan"
	genericPlan = "force_generic_plan"
)

func (s set) execute() string {
	if len(s.literals) == 0 {
		return "execute " + probe
	}
	return "execute " + probe + " (" + strings.Join(s.literals, ", ") + ")"
}

// explained is EXPLAIN's own account, as far as it is used.
type explained struct {
	Plan          node    `json:"Plan"`
	ExecutionTime float64 `json:"Execution Time"`
}

type node struct {
	Type   string  `json:"Node Type"`
	Role   string  `json:"Parent Relationship"`
	Rows   float64 `json:"Actual Rows"`
	Hit    int64   `json:"Shared Hit Blocks"`
	Read   int64   `json:"Shared Read Blocks"`
	Inputs []node  `json:"Plans"`
}

// rows are the rows returned; for a change that returns nothing, those changed.
func (n node) rows() int64 {
	if n.Type == "ModifyTable" && n.Rows == 0 {
		for _, input := range n.Inputs {
			if input.Role == "Outer" {
				return int64(input.Rows)
			}
		}
	}
	return int64(n.Rows)
}

// outOfReach are the SQLSTATEs of what a limited view does not see: a privilege is missing, a row to refer to, or the user of a
// session (schema/tenant/00018_session_memory.sql). Nothing was done.
var outOfReach = []string{"42501", "23503", "RC001"}

// measure executes once and undoes it. It did not run when the view does not allow it.
func (t trial) measure(ctx context.Context, mode string, s set) (reading Reading, ran bool, err error) {
	if _, err := t.raw.Exec(ctx, "savepoint measure; set local plan_cache_mode = "+mode); err != nil {
		return reading, false, fmt.Errorf("prepare: %w", err)
	}
	defer func() {
		_, undoErr := t.raw.Exec(ctx, "rollback to savepoint measure")
		err = errors.Join(err, undoErr)
	}()
	before, err := t.planning(ctx, s)
	if err != nil {
		return reading, false, err
	}
	e, err := explain(ctx, t.raw, s.execute())
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && t.view != viewAll && slices.Contains(outOfReach, pg.Code) {
		return reading, false, nil
	}
	if err != nil {
		return reading, false, err
	}
	after, err := counters(ctx, t.raw)
	if err != nil {
		return reading, false, err
	}
	reading = Reading{
		View: t.view, Arguments: s.label, filters: s.filters, Generic: mode == genericPlan, Returned: e.Plan.rows() + s.skipped,
		Buffers: e.Plan.Hit + e.Plan.Read, Millis: e.ExecutionTime,
	}
	t.count(&reading, before, after)
	return reading, true, nil
}

// planning is the state of the counters before an execution, with what its planning alone will add: the planner looks at the ends
// of indexes to estimate.
func (t trial) planning(ctx context.Context, s set) (map[string]counter, error) {
	before, err := counters(ctx, t.raw)
	if err != nil {
		return nil, err
	}
	if _, err := t.raw.Exec(ctx, "explain "+s.execute(), pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	after, err := counters(ctx, t.raw)
	if err != nil {
		return nil, err
	}
	for name, c := range after {
		c.Scans += c.Scans - before[name].Scans
		c.Tuples += c.Tuples - before[name].Tuples
		after[name] = c
	}
	return after, nil
}

func explain(ctx context.Context, raw db.Raw, statement string) (explained, error) {
	var text []byte
	err := raw.QueryRow(ctx, "explain (analyze, buffers, timing off, format json) "+statement, pgx.QueryExecModeSimpleProtocol).Scan(&text)
	if err != nil {
		return explained{}, fmt.Errorf("explain: %w", err)
	}
	var all []explained
	if err := json.Unmarshal(text, &all); err != nil || len(all) != 1 {
		return explained{}, fmt.Errorf("read the plan: %w", err)
	}
	return all[0], nil
}

// counter is what this transaction has read from a table, or by an index.
type counter struct {
	Name    string
	Table   string
	IsIndex bool
	Scans   int64
	Tuples  int64
}

// countersQuery asks for the server's statistics of the transaction under way: unlike EXPLAIN they have what functions, triggers
// and foreign keys do. They are those of this process, so nothing may run in parallel workers.
const countersQuery = `select c.relname::text, coalesce(t.relname, c.relname)::text, c.relkind = 'i', pg_stat_get_xact_numscans(c.oid), pg_stat_get_xact_tuples_returned(c.oid)
from pg_catalog.pg_class c
left join pg_catalog.pg_index i on i.indexrelid = c.oid
left join pg_catalog.pg_class t on t.oid = i.indrelid
where c.relkind in ('r', 'i') and c.relnamespace in (select oid from pg_catalog.pg_namespace where nspname in (current_schema(), 'control'))`

func counters(ctx context.Context, raw db.Raw) (map[string]counter, error) {
	rows, err := raw.Query(ctx, countersQuery)
	if err != nil {
		return nil, fmt.Errorf("read the counters: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[counter])
	if err != nil {
		return nil, fmt.Errorf("read the counters: %w", err)
	}
	byName := make(map[string]counter, len(all))
	for _, c := range all {
		byName[c.Name] = c
	}
	return byName, nil
}

// count adds what was read between two states of the counters.
func (t trial) count(reading *Reading, before, after map[string]counter) {
	used := map[string]int64{}
	for name, now := range after {
		then := before[name]
		tuples := now.Tuples - then.Tuples
		if t.large[now.Table] { // a small table may be read whole
			reading.Read += tuples
		}
		switch {
		case now.IsIndex && now.Scans > then.Scans:
			used[name] = tuples
		case !now.IsIndex && t.large[name] && tuples > reading.Sequential:
			reading.Sequential, reading.Large = tuples, name
		}
	}
	reading.Indexes = slices.SortedFunc(maps.Keys(used), func(a, b string) int {
		if used[a] != used[b] {
			return int(used[b] - used[a])
		}
		return strings.Compare(a, b)
	})
}
