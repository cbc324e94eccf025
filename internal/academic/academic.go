// Package academic is the structure of a school: institutions, and in each of them academic years, classes (grades) and
// the sections of a class. It holds the operations of the tag academic, one file per resource.
//
// A request arrives here checked, with its defaults filled in (internal/contract), and signed in (internal/auth). What is
// left is one transaction in the schema of the principal's tenant, and a mapping. The rules are constraints of the
// database (schema/tenant/00002_academic.sql): internal/db answers a broken one on the field that its name says. So a
// handler only asks what has to happen, with the queries in queries/academic.sql.
//
// Start with institution.go; class.go and section.go are alike. In year.go one year of an institution is current, and
// making another one current ends its turn. This file holds what the resources share.
package academic

import (
	"context"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Handler has the operations of the tag academic.
type Handler struct {
	DB *db.DB
}

// get reads one row.
func get[A, R any](ctx context.Context, d *db.DB, query func(*db.Queries, context.Context, A) (R, error), arg A) (R, error) {
	return db.Read(ctx, d, auth.Scope(ctx), func(ctx context.Context, q *db.Queries) (R, error) { return query(q, ctx, arg) })
}

// patch changes the row of an id: lock gets it and holds it, so that update cannot overwrite a change of somebody else
// that it has not seen.
func patch[R any](ctx context.Context, d *db.DB, id uuid.UUID,
	lock func(*db.Queries, context.Context, uuid.UUID) (R, error),
	update func(ctx context.Context, q *db.Queries, row R) (R, error),
) (R, error) {
	return db.InTxValue(ctx, d, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (R, error) {
		row, err := lock(q, ctx, id)
		if err != nil {
			return row, err
		}
		return update(ctx, q, row)
	})
}

// patched is the member of a merge patch, or what it was before when the patch leaves it out.
func patched[T any](member *T, before T) T {
	if member == nil {
		return before
	}
	return *member
}

// nameKey is the place of a row in a list by name. Names may repeat, so the id decides.
type nameKey struct {
	Name string
	ID   uuid.UUID
}
