package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func tenantCommand(url databaseURL) *cobra.Command {
	c := &cobra.Command{
		Use:   "tenant",
		Short: "Create, list, change, suspend, move and erase tenants (school groups)",
	}
	c.AddCommand(tenantCreateCommand(url), tenantListCommand(url), tenantUpdateCommand(url),
		tenantExportCommand(url), tenantImportCommand(url), tenantEraseCommand(url),
		tenantStatusCommand(url, "suspend", "Close a tenant: its requests are refused until it is resumed, and its sessions end", "Suspended",
			func(cmd *cobra.Command, r *tenant.Registry, t tenant.Tenant) error {
				return r.Suspend(cmd.Context(), t.ID)
			}),
		tenantStatusCommand(url, "resume", "Open a suspended tenant again", "Resumed",
			func(cmd *cobra.Command, r *tenant.Registry, t tenant.Tenant) error {
				return r.Resume(cmd.Context(), t.ID)
			}))
	return c
}

func tenantCreateCommand(url databaseURL) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "create SLUG",
		Short: "Create a tenant, or complete one whose creation failed",
		Long: `Create a tenant: its row in the registry, its schema and its role. If that fails half way, create it again.

The slug is the tenant's name in a sign-in: lower-case letters, digits and hyphens.`,
		Example: `  rollcall tenant create demo --name "Demo School"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if name == "" {
				name = args[0]
			}
			return withDatabase(cmd, url, func(_ *db.DB, r *tenant.Registry) error {
				t, err := r.Create(cmd.Context(), tenant.CreateParams{Slug: args[0], Name: name})
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "Created tenant %s (%s) with schema %s.\n", t.Slug, t.Name, db.SchemaName(t.ID))
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "the name for people (default: the slug)")
	return c
}

func tenantListCommand(url databaseURL) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List all tenants",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, url, func(_ *db.DB, r *tenant.Registry) error {
				tenants, err := r.List(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), tenants)
				}
				return printTenants(cmd.OutOrStdout(), tenants)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func tenantUpdateCommand(url databaseURL) *cobra.Command {
	var name string
	var requireMFA bool
	c := &cobra.Command{
		Use:   "update SLUG",
		Short: "Change a tenant's name, and whether all of its users need a second factor",
		Long: `Change a tenant. What is not given stays as it is.

With --require-mfa a user without a second factor can do nothing but set one up, from the very next request on; those who
have one verify it at every sign-in in any case.`,
		Example: `  rollcall tenant update demo --require-mfa
  rollcall tenant update demo --require-mfa=false --name "Demo Schools"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var change tenant.Change
			if cmd.Flags().Changed("name") {
				change.Name = &name
			}
			if cmd.Flags().Changed("require-mfa") {
				change.RequireMFA = &requireMFA
			}
			if change == (tenant.Change{}) {
				return errors.New("nothing to change: give --name or --require-mfa")
			}
			return updateTenant(cmd, url, args[0], change)
		},
	}
	c.Flags().StringVar(&name, "name", "", "the name for people")
	c.Flags().BoolVar(&requireMFA, "require-mfa", false, "whether every user needs a second factor")
	return c
}

func updateTenant(cmd *cobra.Command, url databaseURL, slug string, change tenant.Change) error {
	return withTenant(cmd, url, slug, func(_ *db.DB, r *tenant.Registry, t tenant.Tenant) error {
		if err := r.Update(cmd.Context(), t.ID, change); err != nil {
			return err
		}
		t, err := r.ByID(cmd.Context(), t.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Updated tenant %s (%s); second factor: %s.\n", t.Slug, t.Name, mfaPolicy(t))
		return nil
	})
}

// mfaPolicy says who of a tenant needs a second factor.
func mfaPolicy(t tenant.Tenant) string {
	if t.RequireMFA {
		return "required"
	}
	return "by role"
}

// tenantStatusCommand makes a command that changes one tenant's status.
func tenantStatusCommand(url databaseURL, verb, short, done string,
	change func(*cobra.Command, *tenant.Registry, tenant.Tenant) error,
) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " SLUG",
		Short:   short,
		Example: "  rollcall tenant " + verb + " north",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withTenant(cmd, url, args[0], func(_ *db.DB, r *tenant.Registry, t tenant.Tenant) error {
				if err := change(cmd, r, t); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s tenant %s (%s).\n", done, t.Slug, t.Name)
				return nil
			})
		},
	}
}

// withDatabase runs work with a database that is up to date, and its registry.
func withDatabase(cmd *cobra.Command, url databaseURL, work func(*db.DB, *tenant.Registry) error) error {
	address, err := url()
	if err != nil {
		return err
	}
	if err := tenant.NewMigrator(address).Check(cmd.Context()); err != nil {
		return err
	}
	database, err := db.Open(cmd.Context(), db.Config{URL: address, MaxConns: 2})
	if err != nil {
		return err
	}
	defer database.Close()
	return forPeople(work(database, tenant.NewRegistry(database, address)))
}

// withTenant is withDatabase for a command about one tenant, found by its slug.
func withTenant(cmd *cobra.Command, url databaseURL, slug string, work func(*db.DB, *tenant.Registry, tenant.Tenant) error) error {
	return withDatabase(cmd, url, func(d *db.DB, r *tenant.Registry) error {
		t, err := r.BySlug(cmd.Context(), slug)
		if err != nil {
			return err
		}
		return work(d, r, t)
	})
}

// forPeople leaves out what only the log of a request needs.
func forPeople(err error) error {
	e, ok := errors.AsType[*apperr.Error](err)
	if !ok {
		return err
	}
	switch {
	case e.Kind == apperr.Conflict, e.Kind == apperr.NotFound, e.Kind == apperr.Invalid && len(e.Fields) == 0:
		return errors.New(e.Detail)
	case e.Kind == apperr.Invalid:
		var faults []error
		for _, f := range e.Fields {
			faults = append(faults, fmt.Errorf("%s: %s", f.Field, f.Message))
		}
		return errors.Join(faults...)
	default:
		return err
	}
}

func printTenants(out io.Writer, tenants []tenant.Tenant) error {
	if len(tenants) == 0 {
		fmt.Fprintln(out, `There are no tenants yet. Create one: rollcall tenant create demo --name "Demo School"`)
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "SLUG\tNAME\tSTATUS\tSECOND FACTOR\tCREATED\tID")
	for _, t := range tenants {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Slug, t.Name, t.Status, mfaPolicy(t), t.CreatedAt.Format(time.DateOnly), t.ID)
	}
	return table.Flush()
}

func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(value)
}
