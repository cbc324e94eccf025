package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

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
	var parallel int
	c := &cobra.Command{
		Use:   "up",
		Short: "Migrate the registry and all tenants",
		Long: `Migrate the registry, then all tenants, several at once. A tenant that fails does not stop the others.

It may be repeated at any time: what is done stays, what failed is tried again. A second one at the same time waits.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := url()
			if err != nil {
				return err
			}
			m := tenant.NewMigrator(address)
			m.Parallel = parallel
			return migrateUp(cmd, m)
		},
	}
	c.Flags().IntVar(&parallel, "parallel", tenant.DefaultParallel, "tenants at once; each takes two connections")
	return c
}

func migrateUp(cmd *cobra.Command, m *tenant.Migrator) error {
	show := progress(cmd.ErrOrStderr())
	schemas := 0
	err := m.Up(cmd.Context(), func(done, total int, name string) {
		schemas = total
		show(done, total, name)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Up to date: the registry and %d tenants.\n", schemas-1)
	return nil
}

// progress is a bar on a terminal, and nothing where nobody watches.
func progress(out io.Writer) tenant.Progress {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func(int, int, string) {}
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(file), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	return func(done, total int, name string) {
		bar.ChangeMax(total)
		bar.Describe(fmt.Sprintf("%-20.20s", name))
		_ = bar.Set(done) // a bar that cannot be drawn is no reason to stop
	}
}

func migrateStatusCommand(url databaseURL) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the version of every schema, and what is pending",
		Long:  "Show the version of every schema, and how many migrations of this program it does not have yet. Nothing is changed.",
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
	fmt.Fprintln(table, "TENANT\tVERSION\tPENDING\tSCHEMA")
	behind := 0
	for _, s := range schemas {
		slug := s.Slug
		switch {
		case s.Name == db.RiverSchema:
			slug = "(job queue)"
		case slug == "":
			slug = "(registry)"
		}
		if s.Pending > 0 {
			behind++
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", slug, s.Version, s.Pending, s.Name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if behind > 0 {
		fmt.Fprintf(out, "\n%d of %d are behind: run rollcall migrate up\n", behind, len(schemas))
	}
	return nil
}
