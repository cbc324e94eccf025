// Package plans shows what each generated query costs on a tenant's real rows, and proves the indexes (`rollcall plans`).
//
// Every query of gen/db is run with EXPLAIN (ANALYZE, BUFFERS) in the tenant's schema: with arguments from the tenant's own rows,
// each combination of optional filters, in each view that row-level security knows, and with the plans that the server would
// make. Nothing stays: every transaction is rolled back.
//
// The rule: a query reads no large table sequentially, and not more than fifty rows for each row that it returns, counting
// index entries and what triggers, foreign keys and policies read. A query that must read more says so in its comment
// in queries/, with a bound: `-- plan: up to 10001 rows, <reason>`. A new query is covered by itself, or the command says which argument it
// lacks (arguments.go).
//
// The files: catalogue.go finds the queries; resolve.go, arguments.go and sets.go their arguments; trial.go measures; verdict.go
// judges; index.go looks at the indexes; compare.go and report.go make the tables; deep.go walks a list to its end.
package plans

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// The views: whose rows a transaction sees.
const (
	viewAll      = "all"
	viewRegistry = "registry"
)

// timeout bounds the measurement of all queries in one view.
const timeout = 30 * time.Minute

// largeRows is from how many rows on a table must not be read sequentially.
const largeRows = 1000

// Result is what all queries have cost in one tenant.
type Result struct {
	Queries  []Query
	Readings []Reading
	Indexes  []Index
	// baseline is what finding out what a limited view reaches has read, by view.
	baseline map[string]int64
}

// Progress hears of every query that was measured in a view.
type Progress func(done, total int, what string)

// Options say how to measure; the zero value measures what is there.
type Options struct {
	// FillRegistry measures the registry as if there were two thousand tenants: for a database that nobody else uses.
	FillRegistry bool
	OnProgress   Progress // may be nil

	customOnly bool // measures plans for the arguments only
}

// Measure runs every query in the tenant.
func Measure(ctx context.Context, d *db.DB, tenant uuid.UUID, o Options) (*Result, error) {
	all, err := Catalogue()
	if err != nil {
		return nil, err
	}
	m := &measurement{db: d, tenant: tenant, options: o, result: &Result{Queries: all, baseline: map[string]int64{}}}
	if err := d.Rehearse(ctx, db.Tenant(tenant), db.Options{Timeout: timeout}, m.prepare); err != nil {
		return nil, err
	}
	for _, v := range m.views {
		if err := d.Rehearse(ctx, v.scope, db.Options{Timeout: timeout}, func(ctx context.Context, raw db.Raw) error {
			return m.measureView(ctx, raw, v)
		}); err != nil {
			return nil, err
		}
	}
	return m.result, nil
}

// measurement is a Measure under way.
type measurement struct {
	db      *db.DB
	tenant  uuid.UUID
	options Options
	result  *Result

	arguments   map[string]literals
	views       []view
	large       map[string]bool
	limited     *regexp.Regexp // matches a statement about tables with row-level security
	teacher     uuid.UUID
	done, total int
}

// view is a scope and the queries that are measured in it.
type view struct {
	name    string
	scope   db.Scope
	queries []Query
}

// prepare finds out, as the owner of tenant and registry, what to measure with.
func (m *measurement) prepare(ctx context.Context, raw db.Raw) error {
	if _, err := raw.Exec(ctx, "set local role none"); err != nil {
		return fmt.Errorf("become the owner: %w", err)
	}
	resolver, err := newResolver(ctx, raw)
	if err != nil {
		return err
	}
	if err := reviveSession(ctx, raw); err != nil {
		return err
	}
	if m.arguments, err = resolver.resolveAll(ctx, raw, m.result.Queries); err != nil {
		return err
	}
	if err := m.findTables(ctx, raw); err != nil {
		return err
	}
	if m.result.Indexes, err = readIndexes(ctx, raw); err != nil {
		return err
	}
	return m.findViews(ctx, raw)
}

func (m *measurement) findTables(ctx context.Context, raw db.Raw) error {
	rows, err := raw.Query(ctx, `select c.relname::text, c.reltuples::bigint >= $1, c.relrowsecurity or c.relkind = 'v' from pg_catalog.pg_class c
		where c.relkind in ('r', 'v') and c.relnamespace = current_schema()::regnamespace`, largeRows)
	if err != nil {
		return fmt.Errorf("read the tables: %w", err)
	}
	m.large = map[string]bool{}
	var name string
	var isLarge, isLimited bool
	var limited []string
	_, err = pgx.ForEachRow(rows, []any{&name, &isLarge, &isLimited}, func() error {
		m.large[name] = isLarge
		if isLimited {
			limited = append(limited, name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the tables: %w", err)
	}
	m.limited, err = regexp.Compile(`\b(` + strings.Join(limited, "|") + `)\b`)
	return err
}

// findViews chooses the views: of the typical student's institution, teacher and guardian.
func (m *measurement) findViews(ctx context.Context, raw db.Raw) error {
	var institution, guardian uuid.UUID
	err := raw.QueryRow(ctx, "with a as ("+anchorQuery+") select institution_id, teacher_id, guardian_user_id from a").Scan(&institution, &m.teacher, &guardian)
	if err != nil {
		return fmt.Errorf("find a typical student: %w", err)
	}
	var own, registry, limited []Query
	for _, q := range m.result.Queries {
		switch {
		case strings.Contains(q.Text, "control."), strings.Contains(q.Text, db.RiverSchema+"."):
			registry = append(registry, q)
			continue
		case m.limited.MatchString(q.Text):
			limited = append(limited, q)
		}
		own = append(own, q)
	}
	scope := db.Tenant(m.tenant)
	m.views = []view{
		{viewAll, scope, own},
		{"institution", scope.Limited(db.Visibility{Institutions: []uuid.UUID{institution}}), limited},
		{"teacher", scope.Limited(db.Visibility{TeacherOf: m.teacher}), limited},
		{"guardian", scope.Limited(db.Visibility{GuardianOf: guardian}), limited},
		{viewRegistry, db.Control, registry},
	}
	for _, v := range m.views {
		m.total += len(v.queries)
	}
	return nil
}

func (m *measurement) measureView(ctx context.Context, raw db.Raw, v view) error {
	if err := m.prepareView(ctx, raw, v); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	t := trial{raw: raw, view: v.name, large: m.large, customOnly: m.options.customOnly}
	if v.name == viewRegistry {
		if err := m.fillRegistry(ctx, raw); err != nil {
			return err
		}
	} else {
		var err error
		if m.result.baseline[v.name], err = t.baseline(ctx); err != nil {
			return err
		}
	}
	for _, q := range v.queries {
		readings, err := t.run(ctx, q, sets(q, m.arguments[q.Name]))
		if err != nil {
			return err
		}
		m.result.Readings = append(m.result.Readings, readings...)
		m.done++
		if m.options.OnProgress != nil {
			m.options.OnProgress(m.done, m.total, q.Name)
		}
	}
	return nil
}

// prepareView makes the transaction what the queries expect.
func (m *measurement) prepareView(ctx context.Context, raw db.Raw, v view) error {
	// Workers would count for themselves.
	if _, err := raw.Exec(ctx, "set local max_parallel_workers_per_gather = 0"); err != nil {
		return err
	}
	// As ClaimKey does before others look for a key.
	if _, err := raw.Exec(ctx, "select set_config('rollcall.key_owner', $1, true)", m.teacher.String()); err != nil {
		return err
	}
	if v.name != viewAll {
		return nil
	}
	return reviveSession(ctx, raw)
}

// reviveSession makes the first session live, in this transaction: HoldSession fails for one that is over, as all of a made-up tenant are.
func reviveSession(ctx context.Context, raw db.Raw) error {
	_, err := raw.Exec(ctx, `update sessions set ended_at = null, expires_at = now() + interval '1 hour', last_used_at = now()
		where id = (select id from sessions order by id limit 1)`)
	if err != nil {
		return fmt.Errorf("make a session live: %w", err)
	}
	return nil
}

// fillRegistry puts many tenants into the registry, until this transaction is rolled back.
func (m *measurement) fillRegistry(ctx context.Context, raw db.Raw) error {
	if !m.options.FillRegistry {
		return nil
	}
	for _, statement := range []string{
		"insert into control.tenants (id, slug, name, status) select gen_random_uuid(), 'made-up-' || n, 'Made up', 'active' from generate_series(1, 2000) n",
		"insert into control.task_runs (task, tenant_id, started_at, finished_at) select 'cleanup', id, now(), now() from control.tenants",
		"analyze control.tenants, control.task_runs",
	} {
		if _, err := raw.Exec(ctx, statement); err != nil {
			return fmt.Errorf("fill the registry: %w", err)
		}
	}
	m.large["tenants"], m.large["task_runs"] = true, true
	return nil
}

// policyFunctions are those that say what a view reaches.
const policyFunctions = `select string_agg(format('(select count(*) from %I())', p.proname), ', ')
from pg_catalog.pg_proc p where p.pronamespace = current_schema()::regnamespace and p.proretset and p.pronargs = 0`

// baseline is what calling each of them once reads.
func (t trial) baseline(ctx context.Context) (int64, error) {
	var calls string
	if err := t.raw.QueryRow(ctx, policyFunctions).Scan(&calls); err != nil {
		return 0, fmt.Errorf("find the policies' functions: %w", err)
	}
	if t.view != viewAll {
		calls += ", (select count(*) from sections)" // those of an institution are found by its classes, in the policy itself
	}
	before, err := counters(ctx, t.raw)
	if err != nil {
		return 0, err
	}
	if _, err := explain(ctx, t.raw, "select "+calls); err != nil {
		return 0, err
	}
	after, err := counters(ctx, t.raw)
	if err != nil {
		return 0, err
	}
	var reading Reading
	t.count(&reading, before, after)
	return reading.Read, nil
}
