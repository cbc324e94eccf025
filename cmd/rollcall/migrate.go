package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func migrateCommand(url databaseURL) *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to the version of this program",
	}
	c.AddCommand(migrateUpCommand(url), migrateStatusCommand(url))
	return c
}

func migrateUpCommand(url databaseURL) *cobra.Command {
	var (
		parallel int
		recheck  bool
	)
	c := &cobra.Command{
		Use:   "up",
		Short: "Migrate the registry and all tenants",
		Long: `Migrate the registry, then all tenants that are behind or lack roles, grants, policies or audit triggers, several at once.
A tenant that fails does not stop the others; those that did are listed at the end.

It may be repeated at any time: what is done stays, what failed is tried again. A second one at the same time waits.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := url()
			if err != nil {
				return err
			}
			m := tenant.NewMigrator(address)
			m.Parallel, m.Recheck = parallel, recheck
			m.Waiting = func() { fmt.Fprintln(cmd.ErrOrStderr(), "Another upgrade is under way; waiting for its end.") }
			return migrateUp(cmd, m)
		},
	}
	c.Flags().IntVar(&parallel, "parallel", tenant.DefaultParallel, "tenants at once; each takes two connections")
	c.Flags().BoolVar(&recheck, "recheck", false, "go through tenants that lack nothing, too")
	return c
}

func migrateUp(cmd *cobra.Command, m *tenant.Migrator) error {
	show := progress(cmd.ErrOrStderr(), "schemas are up to date")
	current, schemas := 0, 0 // both with the registry
	err := m.Up(cmd.Context(), func(done, total int, name string) {
		if schemas == 0 {
			current, schemas = done, total
		}
		show(done, total, name)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Up to date: the registry and %d tenants (%d worked on).\n", schemas-1, schemas-current)
	return nil
}

// progressInterval is how often it is said how far a migration is where nobody watches.
const progressInterval = 10 * time.Second

// progress is a bar on a terminal, and a line every so often elsewhere: so many of all, and what is said of them.
func progress(out io.Writer, said string) tenant.Progress {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return progressLines(out, said, progressInterval)
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(file), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	return func(done, total int, name string) {
		bar.ChangeMax(total)
		bar.Describe(fmt.Sprintf("%-20.20s", name))
		_ = bar.Set(done) // a bar that cannot be drawn is no reason to stop
	}
}

func progressLines(out io.Writer, said string, interval time.Duration) tenant.Progress {
	last := time.Now()
	return func(done, total int, _ string) {
		if time.Since(last) >= interval {
			last = time.Now()
			fmt.Fprintf(out, "%d of %d %s\n", done, total, said)
		}
	}
}

func migrateStatusCommand(url databaseURL) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the version of every schema, and what is pending",
		Long:  "Show the version of every schema, how many migrations of this program it does not have yet, and what it lacks besides. Nothing is changed.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := url()
			if err != nil {
				return err
			}
			schemas, err := tenant.NewMigrator(address).Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), schemas)
			}
			return printStatus(cmd.OutOrStdout(), schemas)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printStatus(out io.Writer, schemas []tenant.SchemaStatus) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "TENANT\tVERSION\tPENDING\tLACKS\tSCHEMA")
	behind := 0
	for _, s := range schemas {
		slug := s.Slug
		switch {
		case s.Name == db.RiverSchema:
			slug = "(job queue)"
		case slug == "":
			slug = "(registry)"
		}
		if !s.UpToDate() {
			behind++
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", slug, s.Version, s.Pending, cmp.Or(strings.Join(s.Lacks, ", "), "-"), s.Name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if behind > 0 {
		fmt.Fprintf(out, "\n%d of %d are behind: run rollcall migrate up\n", behind, len(schemas))
	}
	return nil
}
