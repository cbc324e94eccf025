package main

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/privacy"
	"github.com/rollcall-erp/rollcall/internal/student"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

func studentCommand(url databaseURL) *cobra.Command {
	c := &cobra.Command{Use: "student", Short: "Answer data-protection requests: all that is known of a student, and its erasure"}
	c.AddCommand(studentExportCommand(url), studentEraseCommand(url))
	return c
}

// withStudent runs work with the student of the arguments and of the flag --tenant.
func withStudent(cmd *cobra.Command, url databaseURL, slug, id string, work func(d *db.DB, t tenant.Tenant, student uuid.UUID) error) error {
	student, err := uuid.Parse(id)
	if err != nil {
		return errors.New("ID is the student's id, as the API gives it: a UUID")
	}
	return withTenant(cmd, url, slug, func(d *db.DB, _ *tenant.Registry, t tenant.Tenant) error {
		if t.Status != tenant.Active {
			return fmt.Errorf("tenant %s is %s: resume it first", t.Slug, t.Status)
		}
		return work(d, t, student)
	})
}

func studentExportCommand(url databaseURL) *cobra.Command {
	var slug string
	c := &cobra.Command{
		Use:   "export ID --tenant SLUG",
		Short: "Print all that is known of a student, as JSON",
		Long: `Print every row about a student, and about guardians who are linked to no other student, by table: who they are, enrollments,
attendance, results, sessions, events of the audit trail. The national id is opened, for which ROLLCALL_ENCRYPTION_KEY must be set.`,
		Example: `  rollcall student export 01900000-0000-7000-8000-000000000601 --tenant north > request-17.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			box, err := configuredBox()
			if err != nil {
				return err
			}
			return withStudent(cmd, url, slug, args[0], func(d *db.DB, t tenant.Tenant, id uuid.UUID) error {
				known, err := privacy.Export(cmd.Context(), d, t.ID, id, box, student.NationalID)
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), known)
			})
		},
	}
	c.Flags().StringVar(&slug, "tenant", "", "the tenant's slug")
	_ = c.MarkFlagRequired("tenant")
	return c
}

func studentEraseCommand(url databaseURL) *cobra.Command {
	var slug string
	var yes bool
	c := &cobra.Command{
		Use:   "erase ID --tenant SLUG",
		Short: "Erase what is personal of a student who has left",
		Long: `Erase names, contacts, ids, birthday, address, custom fields, notes and remarks of a student, and of guardians who are linked to no other
student; sign-ins and second factors go with them. Marks, attendance and enrollments stay for the statistics, under an id.

What the audit trail said of them is emptied. Its chain of hashes holds, and one event says that the student was erased. It cannot be
undone: you are asked to type the id; --yes is for scripts. A student who is enrolled must be withdrawn first.`,
		Example: `  rollcall student erase 01900000-0000-7000-8000-000000000601 --tenant north`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStudent(cmd, url, slug, args[0], func(d *db.DB, t tenant.Tenant, id uuid.UUID) error {
				question := fmt.Sprintf("This erases student %s of tenant %s for good. Type the id to go on: ", id, t.Slug)
				if err := confirm(cmd, yes, question, id.String()); err != nil {
					return err
				}
				persons, err := privacy.Erase(cmd.Context(), d, t.ID, id)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "Erased student %s, and %d guardians who are linked to nobody else.\n", id, len(persons.Guardians))
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&slug, "tenant", "", "the tenant's slug")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	_ = c.MarkFlagRequired("tenant")
	return c
}
