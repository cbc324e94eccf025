package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/devdb"
	"github.com/rollcall-erp/rollcall/internal/plans"
	"github.com/rollcall-erp/rollcall/internal/seed/large"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/schema"
)

// enoughStudents is how large a tenant must be for every index to be worth using.
const enoughStudents = 100_000

// plansOptions are the flags of rollcall plans.
type plansOptions struct {
	slug          string
	size          large.Size
	compare, deep bool
	page          string
	steps         int
}

func plansCommand(url databaseURL) *cobra.Command {
	o := plansOptions{}
	c := &cobra.Command{
		Use:   "plans",
		Short: "Show what every query costs, and fail where an index is missing or superfluous",
		Long: `Run every generated query with EXPLAIN (ANALYZE, BUFFERS) on real rows, in each view, and print its costliest plan. Everything is rolled back.

Exit code 1: a query reads a large table sequentially, or more than 50 rows for each row that it returns, and its comment in queries/ does not
say why (-- plan: up to 10001 rows, <reason>); or an index is superfluous or, with 100,000 students or more, unused.

Without --tenant it starts a PostgreSQL of its own, fills a throw-away tenant and removes all of it at the end. With --tenant it
measures that tenant of DATABASE_URL; writes are executed, which takes locks, and rolled back.`,
		Example: `  rollcall plans
  rollcall plans --students 200000 --compare --write docs/indexes.md
  rollcall plans --students 200000 --deep`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, url) },
	}
	c.Flags().StringVar(&o.slug, "tenant", "", "measure this tenant")
	c.Flags().IntVar(&o.size.Students, "students", 10_000, "size of the throw-away tenant; with fewer the planner reads tables whole")
	c.Flags().IntVar(&o.size.Years, "years", 2, "academic years of the throw-away tenant")
	c.Flags().BoolVar(&o.compare, "compare", false, "measure again without the production indexes (throw-away tenant only)")
	c.Flags().StringVar(&o.page, "write", "", "with --compare: write the comparison to this file, as Markdown")
	c.Flags().BoolVar(&o.deep, "deep", false, "walk the list of students by cursor instead, and compare the first page with the last")
	c.Flags().IntVar(&o.steps, "steps", 5000, "with --deep: how many pages")
	c.MarkFlagsMutuallyExclusive("tenant", "compare")
	c.MarkFlagsMutuallyExclusive("tenant", "students")
	c.MarkFlagsMutuallyExclusive("deep", "compare")
	return c
}

func (o plansOptions) run(cmd *cobra.Command, url databaseURL) error {
	if o.slug == "" {
		return o.inThrowAway(cmd)
	}
	return withTenant(cmd, url, o.slug, func(d *db.DB, _ *tenant.Registry, t tenant.Tenant) error {
		return o.measure(cmd, d, t.ID)
	})
}

// inThrowAway measures in a database that is gone afterwards.
func (o plansOptions) inThrowAway(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	postgres, err := devdb.Start(ctx, devdb.Config{Ephemeral: true, Parameters: map[string]string{"shared_buffers": "512MB", "max_wal_size": "2GB", "autovacuum": "off"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopDatabase(ctx, postgres)) }()
	if err := tenant.NewMigrator(postgres.URL()).Up(ctx, nil); err != nil {
		return err
	}
	d, err := db.Open(ctx, db.Config{URL: postgres.URL(), MaxConns: 2})
	if err != nil {
		return err
	}
	defer d.Close()
	t, err := tenant.NewRegistry(d, postgres.URL()).Create(ctx, tenant.CreateParams{Slug: "plans", Name: "Plans"})
	if err != nil {
		return err
	}
	o.size.AttendanceDays = defaultAttendanceDays
	o.size.PasswordHash = "nobody's" // as if staff and guardians signed in
	if err := large.Fill(ctx, d, t.ID, o.size, seedProgress(cmd.ErrOrStderr())); err != nil {
		return err
	}
	return o.measure(cmd, d, t.ID)
}

func (o plansOptions) measure(cmd *cobra.Command, d *db.DB, id uuid.UUID) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	switch {
	case o.deep:
		return printDepths(ctx, out, d, id, o.steps)
	case o.compare:
		return o.compareTo(cmd, d, id)
	}
	result, err := plans.Measure(ctx, d, id, plans.Options{FillRegistry: o.slug == "", OnProgress: plans.Progress(progress(cmd.ErrOrStderr(), "queries are measured"))})
	if err != nil {
		return err
	}
	if err := result.Print(out); err != nil {
		return err
	}
	return o.judge(out, result)
}

// judge fails for what breaks a rule.
func (o plansOptions) judge(out io.Writer, result *plans.Result) error {
	isLarge := o.slug == "" && o.size.Students >= enoughStudents
	if result.PrintFaults(out, isLarge) {
		return errors.New("a rule is broken; see above")
	}
	if !isLarge {
		return nil
	}
	unexplained, err := result.Unexplained(schema.Files)
	if err == nil && len(unexplained) > 0 {
		err = fmt.Errorf("the comments of these indexes in schema/tenant name no query that used them: %s", strings.Join(unexplained, ", "))
	}
	return err
}

func (o plansOptions) compareTo(cmd *cobra.Command, d *db.DB, id uuid.UUID) error {
	out := cmd.OutOrStdout()
	comparison, err := plans.Compare(cmd.Context(), d, id, plans.Options{FillRegistry: true, OnProgress: plans.Progress(progress(cmd.ErrOrStderr(), "queries are measured"))})
	if err != nil {
		return err
	}
	page := out
	if o.page != "" {
		file, err := os.Create(o.page)
		if err != nil {
			return fmt.Errorf("write the comparison: %w", err)
		}
		defer func() { _ = file.Close() }()
		page = file
	}
	comparison.Markdown(page, fmt.Sprintf("rollcall plans --compare --students %d --years %d", o.size.Students, o.size.Years))
	return o.judge(out, comparison.With)
}

func printDepths(ctx context.Context, out io.Writer, d *db.DB, id uuid.UUID, steps int) error {
	depths, err := plans.Deep(ctx, d, id, steps)
	if err != nil {
		return err
	}
	for _, depth := range depths {
		fmt.Fprintf(out, "%s: p50 of page 1 %v, of the last of %d steps by cursor %v: %.2f times\n",
			depth.List, depth.First, depth.Steps, depth.Last, depth.Ratio())
		if depth.Ratio() > plans.MostSlower {
			err = errors.Join(err, fmt.Errorf("%s: a deep page takes %.2f times as long as the first; %.1f are allowed", depth.List, depth.Ratio(), plans.MostSlower))
		}
	}
	return err
}
