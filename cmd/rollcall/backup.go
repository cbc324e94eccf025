package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/backup"
	"github.com/rollcall-erp/rollcall/internal/config"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seal"
	"github.com/rollcall-erp/rollcall/internal/student"
	"github.com/rollcall-erp/rollcall/internal/tenant"
	"github.com/rollcall-erp/rollcall/internal/webhook"
)

// configuredBox is the box of the environment's key.
func configuredBox() (*seal.Box, error) {
	c, err := config.Read(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	if err := c.RequireKey(); err != nil {
		return nil, err
	}
	return c.Box()
}

// sealedColumns are those of all packages.
func sealedColumns() []seal.Column { return slices.Concat(student.Sealed, auth.Sealed, webhook.Sealed) }

// withStore runs work with a database that is up to date and whose key is the environment's.
func withStore(cmd *cobra.Command, url databaseURL, work func(backup.Store) error) error {
	box, err := configuredBox()
	if err != nil {
		return err
	}
	return withDatabase(cmd, url, func(_ *db.DB, r *tenant.Registry) error {
		if err := r.CheckKey(cmd.Context(), box); err != nil {
			return err
		}
		return work(backup.Store{Registry: r, Box: box, Sealed: sealedColumns()})
	})
}

func tenantExportCommand(url databaseURL) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "export SLUG --to DIR",
		Short: "Write a tenant into a directory",
		Long: `Write all of a tenant into a directory that is empty or not there yet: a CSV file a table, as it is at one moment, and
manifest.json with numbers of rows and digests, which comes last. Sessions and answers kept for repeated requests are left out.

The files are all that the school group knows of persons, in plain text but for national ids and secrets: keep them as you keep the database.
To move a tenant, suspend it first, so that nothing is written after the export.`,
		Example: `  rollcall tenant export north --to /backup/north-2026-11-25`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, url, func(s backup.Store) error {
				t, err := s.Registry.BySlug(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				m, err := s.Export(cmd.Context(), t, dir)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "Exported tenant %s: %d rows of %d tables in %s.\n", t.Slug, m.Rows(), len(m.Tables), dir)
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&dir, "to", "", "the directory to write")
	_ = c.MarkFlagRequired("to")
	_ = c.MarkFlagDirname("to")
	return c
}

func tenantImportCommand(url databaseURL) *cobra.Command {
	var slug string
	c := &cobra.Command{
		Use:   "import DIR --name SLUG",
		Short: "Make a tenant from a directory that export has written",
		Long: `Make a new tenant, with a schema and roles of its own, from a directory that ` + "`rollcall tenant export`" + ` has written, here or in another
installation with the same ROLLCALL_ENCRYPTION_KEY and the same release. Numbers of rows and digests are held against the manifest after
loading. It is all or nothing: when it fails, nothing of the tenant is there.

Everybody signs in anew, and webhooks are switched off: switch them on when the receivers expect it.`,
		Example: `  rollcall tenant import /backup/north-2026-11-25 --name north-copy
  rollcall audit verify --tenant north-copy`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, url, func(s backup.Store) error {
				t, m, err := s.Import(cmd.Context(), args[0], slug)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "Imported tenant %s (%s) with schema %s: %d rows of %d tables, all as exported.\n",
						t.Slug, t.Name, db.SchemaName(t.ID), m.Rows(), len(m.Tables))
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&slug, "name", "", "the new tenant's slug")
	_ = c.MarkFlagRequired("name")
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return c
}

func tenantEraseCommand(url databaseURL) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "erase SLUG",
		Short: "Remove a tenant and all that it has, for good",
		Long: `Remove a tenant for good: its schema with all data and its audit trail, its roles, and its place in the registry. Only an export
or a backup of the database brings it back. You are asked to type its slug; --yes is for scripts.`,
		Example: `  rollcall tenant erase north-copy`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withTenant(cmd, url, args[0], func(_ *db.DB, r *tenant.Registry, t tenant.Tenant) error {
				question := fmt.Sprintf("This removes tenant %s (%s, %s) with all its data for good. Type its slug to go on: ", t.Slug, t.Name, t.Status)
				if err := confirm(cmd, yes, question, t.Slug); err != nil {
					return err
				}
				if err := r.Erase(cmd.Context(), t); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Erased tenant %s (%s).\n", t.Slug, t.Name)
				return nil
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// confirm asks for a text before something that cannot be undone.
func confirm(cmd *cobra.Command, yes bool, question, want string) error {
	if yes {
		return nil
	}
	fmt.Fprint(cmd.ErrOrStderr(), question)
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(line) != want {
		return errors.New("not confirmed; nothing was done")
	}
	return nil
}
