package tenant

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/schema"
)

// CreateParams describe a tenant to be created.
type CreateParams struct {
	ID   uuid.UUID // zero: a new UUIDv7
	Slug string    // lower-case letters, digits and hyphens; at most 63
	Name string    // 1 to 200 characters
}

// The same rules as the table's: said here for a better message than the name of a constraint.
var slugPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

const maxNameLength = 200

func (p CreateParams) validate() error {
	var fields []apperr.Field
	if !slugPattern.MatchString(p.Slug) {
		fields = append(fields, apperr.BodyField("pattern",
			"Use 1 to 63 lower-case letters, digits and hyphens, beginning with a letter or digit", "slug"))
	}
	if n := utf8.RuneCountInString(p.Name); n < 1 || n > maxNameLength {
		fields = append(fields, apperr.BodyField("maxLength", "Use 1 to 200 characters", "name"))
	}
	return apperr.InvalidFields(fields)
}

// Create registers a tenant and builds its schema and role; when it returns, transactions can run in the tenant.
//
// A creation that failed half way is completed by calling Create with the same slug again; id and name remain those of
// the first call. The error is of kind Invalid for a bad slug or name, and Conflict when the slug or id is in use. Of
// concurrent calls with one slug exactly one succeeds.
func (r *Registry) Create(ctx context.Context, p CreateParams) (Tenant, error) {
	if err := p.validate(); err != nil {
		return Tenant{}, err
	}
	t, err := r.register(ctx, p)
	if err != nil {
		return Tenant{}, err
	}
	err = r.build(ctx, t.ID)
	if err != nil {
		return Tenant{}, fmt.Errorf("create tenant %q (to complete it, create it again): %w", t.Slug, err)
	}
	return r.ByID(ctx, t.ID)
}

// build makes the schema of a registered tenant and activates it. The lock keeps out whoever creates or migrates the
// same tenant now.
func (r *Registry) build(ctx context.Context, id uuid.UUID) error {
	s, err := lockSchema(ctx, r.url, db.SchemaName(id), nil)
	if err != nil {
		return err
	}
	defer s.unlock(ctx)
	t, err := r.ByID(ctx, id) // somebody may have completed it while we waited
	if err != nil {
		return err
	}
	if t.Status != Provisioning {
		return errAlreadyActive(t)
	}
	if err := s.upgradeTenant(ctx, forNewTenant{schema.Files}); err != nil {
		return err
	}
	return r.setStatus(ctx, id, Active, Provisioning)
}

// register writes the row, or finds that of a creation which was not completed.
func (r *Registry) register(ctx context.Context, p CreateParams) (Tenant, error) {
	id, err := newID(p.ID)
	if err != nil {
		return Tenant{}, err
	}
	row, err := db.InTxValue(ctx, r.db, db.Control, db.Options{},
		func(ctx context.Context, q *db.Queries) (gendb.ControlTenant, error) {
			row, err := q.CreateTenant(ctx, gendb.CreateTenantParams{ID: id, Slug: p.Slug, Name: p.Name})
			if errors.Is(err, pgx.ErrNoRows) { // in use
				return q.TenantBySlug(ctx, p.Slug)
			}
			return row, err
		})
	switch {
	case apperr.KindOf(err) == apperr.NotFound || err == nil && p.ID != uuid.Nil && row.ID != p.ID:
		return Tenant{}, errOtherID(p)
	case err != nil:
		return Tenant{}, fmt.Errorf("register tenant %q: %w", p.Slug, err)
	}
	t := fromRow(row)
	if t.Status != Provisioning {
		return Tenant{}, errAlreadyActive(t)
	}
	return t, nil
}

func newID(wanted uuid.UUID) (uuid.UUID, error) {
	if wanted != uuid.Nil {
		return wanted, nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("make an id: %w", err)
	}
	return id, nil
}

func errAlreadyActive(t Tenant) error {
	e := apperr.New(apperr.Conflict, fmt.Sprintf("The slug %q belongs to %q, which is %s.", t.Slug, t.Name, t.Status))
	e.Fields = []apperr.Field{apperr.BodyField("unique", "Already in use", "slug")}
	return e
}

// errOtherID is a slug and an id that do not belong together: one of them is in use without the other.
func errOtherID(p CreateParams) error {
	return apperr.New(apperr.Conflict, fmt.Sprintf("The slug %q or the id %s belongs to another tenant.", p.Slug, p.ID))
}
