// Package tenant knows the tenants of an installation and builds what each of them has in the database.
//
// A tenant is a row in control.tenants, a schema, and three roles that may use this schema and nothing else: one sees all
// rows, the others what their transaction may (see schema/tenant/00008_visibility.sql). Their names are made from the
// tenant's id (see db.SchemaName):
//
//	control.tenants   0198c7e0-… │ demo │ Demo School │ active
//	schema            t_0198c7e0…          users, students, …, goose_db_version
//	roles             t_0198c7e0…          NOLOGIN; db.InTx takes one on for one transaction
//	                  t_0198c7e0…_limited, t_0198c7e0…_institutions
//
// [Registry] creates tenants, finds, changes, suspends and resumes them. [Migrator] brings the registry and every tenant to the
// version of this program. The files: create.go is the order of a creation, roles.go the roles and their grants, migrate.go
// the way over all tenants, lacking.go how it finds those that need it, and schema.go the work on one schema, which both share.
//
// The database user may be an ordinary one with CREATEROLE and with CREATE on the database.
package tenant

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Status is a stage in a tenant's life.
type Status string

// The stages. Transactions run in active tenants only.
const (
	Provisioning Status = "provisioning" // being created, or its creation failed and waits to be repeated
	Active       Status = "active"
	Suspended    Status = "suspended"
)

// Tenant is a school group: one customer of this installation.
type Tenant struct {
	ID     uuid.UUID `json:"id"`
	Slug   string    `json:"slug"` // its name in a sign-in and on the command line
	Name   string    `json:"name"` // for people
	Status Status    `json:"status"`
	// RequireMFA is whether every user needs a second factor.
	RequireMFA bool      `json:"requireMfa"`
	CreatedAt  time.Time `json:"createdAt"` // UTC
}

// Registry is the list of tenants. It is safe for concurrent use.
type Registry struct {
	db  *db.DB
	url string
}

// NewRegistry makes a registry over a pool, and the URL of the same database: creating a tenant needs connections of
// its own. The URL must lead to PostgreSQL itself, not to a pooler that shares sessions.
func NewRegistry(d *db.DB, url string) *Registry { return &Registry{db: d, url: url} }

// List returns all tenants, by slug.
func (r *Registry) List(ctx context.Context) ([]Tenant, error) {
	rows, err := db.InTxValue(ctx, r.db, db.Control, db.ReadOnly,
		func(ctx context.Context, q *db.Queries) ([]gendb.ControlTenant, error) { return q.ListTenants(ctx) })
	if err != nil {
		return nil, fmt.Errorf("list the tenants: %w", err)
	}
	tenants := make([]Tenant, len(rows))
	for i, row := range rows {
		tenants[i] = fromRow(row)
	}
	return tenants, nil
}

// BySlug finds a tenant; the error is of kind NotFound when there is none.
func (r *Registry) BySlug(ctx context.Context, slug string) (Tenant, error) {
	return r.find(ctx, slug, func(ctx context.Context, q *db.Queries) (gendb.ControlTenant, error) {
		return q.TenantBySlug(ctx, slug)
	})
}

// ByID finds a tenant; the error is of kind NotFound when there is none.
func (r *Registry) ByID(ctx context.Context, id uuid.UUID) (Tenant, error) {
	return r.find(ctx, id.String(), func(ctx context.Context, q *db.Queries) (gendb.ControlTenant, error) {
		return q.TenantByID(ctx, id)
	})
}

func (r *Registry) find(ctx context.Context, name string,
	query func(context.Context, *db.Queries) (gendb.ControlTenant, error),
) (Tenant, error) {
	row, err := db.InTxValue(ctx, r.db, db.Control, db.ReadOnly, query)
	if apperr.KindOf(err) == apperr.NotFound {
		return Tenant{}, apperr.Wrap(apperr.NotFound, fmt.Sprintf("There is no tenant %q.", name), err)
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("find tenant %q: %w", name, err)
	}
	return fromRow(row), nil
}

// Change is what Update changes; nil stays as it is.
type Change struct {
	Name       *string
	RequireMFA *bool // it holds for the very next request: who has no second factor must set one up first
}

// Update changes a tenant.
func (r *Registry) Update(ctx context.Context, id uuid.UUID, c Change) error {
	changed, err := db.InTxValue(ctx, r.db, db.Control, db.Options{},
		func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.UpdateTenant(ctx, gendb.UpdateTenantParams{ID: id, Name: c.Name, RequireMfa: c.RequireMFA})
		})
	if err == nil && changed == 0 {
		err = apperr.New(apperr.NotFound, fmt.Sprintf("There is no tenant %q.", id))
	}
	if err != nil {
		return fmt.Errorf("update tenant %s: %w", id, err)
	}
	return nil
}

// Suspend closes a tenant: its next transaction fails with db.ErrTenantUnavailable, and no session of its users is ever good
// again. A suspended one stays as it is.
func (r *Registry) Suspend(ctx context.Context, id uuid.UUID) error {
	return r.setStatus(ctx, id, Suspended, Active, Suspended)
}

// Resume opens a suspended tenant again. An active one stays as it is.
func (r *Registry) Resume(ctx context.Context, id uuid.UUID) error {
	return r.setStatus(ctx, id, Active, Active, Suspended)
}

// setStatus changes the status if the present one is expected.
func (r *Registry) setStatus(ctx context.Context, id uuid.UUID, to Status, expected ...Status) error {
	arg := gendb.SetTenantStatusParams{ID: id, Status: string(to)}
	for _, s := range expected {
		arg.Expected = append(arg.Expected, string(s))
	}
	changed, err := db.InTxValue(ctx, r.db, db.Control, db.Options{},
		func(ctx context.Context, q *db.Queries) (int64, error) { return q.SetTenantStatus(ctx, arg) })
	if err != nil {
		return fmt.Errorf("set the status of tenant %s to %s: %w", id, to, err)
	}
	if changed == 0 {
		return r.explainUnchanged(ctx, id, to)
	}
	return nil
}

func (r *Registry) explainUnchanged(ctx context.Context, id uuid.UUID, to Status) error {
	t, err := r.ByID(ctx, id)
	if err != nil {
		return err
	}
	if t.Status == Provisioning {
		return apperr.New(apperr.Conflict,
			fmt.Sprintf("Tenant %q is not complete: create it again, and it will be completed.", t.Slug))
	}
	return apperr.New(apperr.Conflict, fmt.Sprintf("Tenant %q is %s and cannot become %s.", t.Slug, t.Status, to))
}

func fromRow(row gendb.ControlTenant) Tenant {
	return Tenant{ID: row.ID, Slug: row.Slug, Name: row.Name, Status: Status(row.Status), RequireMFA: row.RequireMfa, CreatedAt: row.CreatedAt.UTC()}
}
