package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollcall-erp/rollcall/internal/audit"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/tenant"
)

// errTampered is a trail that somebody has changed.
var errTampered = exitError{code: 2, text: "an audit trail is not what it was"}

func auditCommand(url databaseURL) *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Verify the audit trails"}
	c.AddCommand(auditVerifyCommand(url))
	return c
}

func auditVerifyCommand(url databaseURL) *cobra.Command {
	var slug, headText string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Say whether anybody has changed an audit trail",
		Long: `Go along the chain of hashes that covers the audit trail, of one tenant or of all active ones, and hold each event against it.
The first that was edited, deleted or moved is named. A tail that was cut off can only be seen with a head: the service
logs one whenever the chain grew ("audit trail sealed").

The exit code is 0 when all trails are intact, 2 when one is not, and 1 when that could not be found out.`,
		Example: `  rollcall audit verify
  rollcall audit verify --tenant north --head 1842:5f0c...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			check, err := checkWith(headText, slug)
			if err != nil {
				return err
			}
			return withDatabase(cmd, url, func(d *db.DB, r *tenant.Registry) error {
				return verifyTrails(cmd, d, r, slug, check, asJSON)
			})
		},
	}
	c.Flags().StringVar(&slug, "tenant", "", "only this tenant, by its slug")
	c.Flags().StringVar(&headText, "head", "", "a place that the tenant's chain has had, POSITION:HASH")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func checkWith(headText, slug string) (audit.Check, error) {
	if headText == "" {
		return audit.Check{}, nil
	}
	if slug == "" {
		return audit.Check{}, errors.New("a head belongs to one tenant: say which with --tenant")
	}
	head, err := audit.ParseHead(headText)
	return audit.Check{Head: &head}, err
}

// verification is what was found in one tenant, for printing.
type verification struct {
	Tenant   string       `json:"tenant"`
	IsIntact bool         `json:"isIntact"`
	Checked  int64        `json:"checked"`
	Erased   int64        `json:"erased"`
	Head     string       `json:"head,omitempty"`
	Fault    *audit.Fault `json:"fault,omitempty"`
}

// verifyTrails verifies each, and fails when one is not intact.
func verifyTrails(cmd *cobra.Command, d *db.DB, r *tenant.Registry, slug string, check audit.Check, asJSON bool) error {
	tenants, err := activeTenants(cmd, r, slug)
	if err != nil {
		return err
	}
	results := []verification{}
	intact := true
	for _, t := range tenants {
		result, err := verifyTrail(cmd.Context(), d, t, check)
		if err != nil {
			return fmt.Errorf("verify the audit trail of tenant %q: %w", t.Slug, err)
		}
		results = append(results, result)
		intact = intact && result.IsIntact
		if !asJSON {
			fmt.Fprintln(cmd.OutOrStdout(), result)
		}
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), results)
	}
	if err == nil && !intact {
		return errTampered
	}
	return err
}

func verifyTrail(ctx context.Context, d *db.DB, t tenant.Tenant, check audit.Check) (verification, error) {
	report, err := audit.Verify(ctx, d, db.Tenant(t.ID), check)
	v := verification{Tenant: t.Slug, IsIntact: report.Fault == nil, Checked: report.Checked, Erased: report.Erased, Fault: report.Fault}
	if report.Head != nil {
		v.Head = report.Head.String()
	}
	return v, err
}

// String is a line for people.
func (v verification) String() string {
	line := fmt.Sprintf("%s: %d good", v.Tenant, v.Checked)
	if v.Erased > 0 {
		line += fmt.Sprintf(", %d of them erased", v.Erased)
	}
	if v.Head != "" {
		line += ", up to " + v.Head
	}
	f := v.Fault
	if f == nil {
		return line
	}
	line += "\n" + v.Tenant + ": " + string(f.Kind)
	if f.Position > 0 {
		line += fmt.Sprintf(", place %d", f.Position)
	}
	if f.EventID != [16]byte{} {
		line += ", event " + f.EventID.String()
	}
	return line + ": " + f.Message
}
