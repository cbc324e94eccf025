package plans

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// Comparison is what all queries cost with the production indexes, and without.
type Comparison struct {
	With, Without *Result
	Students      int
}

// Compare measures a tenant, drops its production indexes for good, and measures again: it is for a tenant that nobody needs.
func Compare(ctx context.Context, d *db.DB, tenant uuid.UUID, o Options) (*Comparison, error) {
	with, err := Measure(ctx, d, tenant, o)
	if err != nil {
		return nil, err
	}
	c := &Comparison{With: with}
	err = d.Load(ctx, tenant, db.Options{Timeout: timeout}, func(ctx context.Context, raw db.Raw) error {
		if err := raw.QueryRow(ctx, "select count(*) from students").Scan(&c.Students); err != nil {
			return fmt.Errorf("count the students: %w", err)
		}
		for _, i := range with.production() {
			if _, err := raw.Exec(ctx, "drop index "+pgx.Identifier{i.Name}.Sanitize()); err != nil {
				return fmt.Errorf("drop index %s: %w", i.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.Without, err = Measure(ctx, d, tenant, o)
	return c, err
}

// production are the indexes that no rule needs.
func (r *Result) production() []Index {
	return slices.DeleteFunc(slices.Clone(r.Indexes), func(i Index) bool { return i.IsRule })
}

// pair is one reading with the indexes and the same without.
type pair struct{ with, without Reading }

// gains are, for each query that gains, the pair of readings that gains most.
func (c *Comparison) gains() []pair {
	without := map[string]Reading{}
	key := func(r Reading) string { return r.Query + "|" + r.View + "|" + r.Arguments }
	for _, r := range c.Without.Readings {
		if known, ok := without[key(r)]; !ok || r.Buffers < known.Buffers { // of both kinds of plan the better one
			without[key(r)] = r
		}
	}
	best := map[string]pair{}
	for _, r := range c.With.Readings {
		p := pair{r, without[key(r)]}
		if known, ok := best[r.Query]; !ok || p.gain() > known.gain() {
			best[r.Query] = p
		}
	}
	var all []pair
	for _, p := range best {
		if p.gain() >= 2 {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.gain(), a.gain()), strings.Compare(a.with.Query, b.with.Query))
	})
	return all
}

// gain is how many times as many pages are touched without.
func (p pair) gain() float64 { return float64(p.without.Buffers) / float64(max(p.with.Buffers, 1)) }

// Markdown writes the page about the indexes. command is what printed it.
func (c *Comparison) Markdown(out io.Writer, command string) {
	fmt.Fprintf(out, `# Indexes

`+"`%s`"+` wrote this page: a throw-away tenant of %d students, every generated query, with the production indexes
([schema/tenant/00017_indexes.sql](../schema/tenant/00017_indexes.sql)) and without. Rows are those read from large tables, index entries and
the work of policies, triggers and foreign keys included; buffers are pages of 8 KiB. Both are the same on every machine; times are not, and were taken on two
shared cores.

The rule that `+"`rollcall plans`"+` checks, in the tests with 10,000 students: no query reads a table of %d rows or more sequentially, unless it returns a tenth of it, and none reads
more than %d rows for a row returned, unless its comment in queries/ says why and how many (`+"`-- plan: up to 10001 rows, ...`"+`).

## Before and after

For each query the arguments that gain most, where that is at least twice.

| query | arguments | seen by | rows without | with | buffers without | with | ms without | with |
|---|---|---|--:|--:|--:|--:|--:|--:|
`, command, c.Students, largeRows, perRow)
	for _, p := range c.gains() {
		fmt.Fprintf(out, "| %s | %s | %s | %d | %d | %d | %d | %.1f | %.1f |\n", p.with.Query, cmp.Or(p.with.Arguments, "none"), p.with.View,
			p.without.Read, p.with.Read, p.without.Buffers, p.with.Buffers, p.without.Millis, p.with.Millis)
	}
	c.indexTable(out)
	c.exceptions(out)
}

func (c *Comparison) indexTable(out io.Writer) {
	all, used := c.With.production(), c.With.UsedBy()
	fmt.Fprintf(out, "\n## Indexes and their queries\n\n%d indexes, %d unused, %d superfluous. Those of constraints are not listed.\n\n| index | MiB | used by |\n|---|--:|---|\n",
		len(all), len(c.With.Unused()), len(c.With.Duplicates()))
	for _, i := range all {
		fmt.Fprintf(out, "| %s | %.1f | %s |\n", i.Name, float64(i.Bytes)/(1<<20), strings.Join(used[i.Name], ", "))
	}
}

func (c *Comparison) exceptions(out io.Writer) {
	fmt.Fprint(out, "\n## Exceptions\n\nThe most that a query read where it has an exception.\n\n| query | may read | read | arguments | seen by | because |\n|---|--:|--:|---|---|---|\n")
	for _, q := range c.With.Queries {
		for _, e := range q.exceptions {
			if w, ok := c.With.most(func(r Reading) bool { return r.Query == q.Name && e.isFor(r) }); ok {
				fmt.Fprintf(out, "| %s | %d | %d | %s | %s | %s |\n", q.Name, e.rows, w.Read, w.arguments(), w.View, e.reason)
			}
		}
	}
}
