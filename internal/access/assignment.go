package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// ReplaceUserRoles makes the given roles the user's roles.
func (h *Handler) ReplaceUserRoles(ctx context.Context, request api.ReplaceUserRolesRequestObject) (api.ReplaceUserRolesResponseObject, error) {
	changed, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (user, error) {
		err := h.keepingAdministrator(ctx, q, func() error {
			if _, err := q.LockUser(ctx, request.UserId); err != nil {
				return err
			}
			return h.assign(ctx, q, request.UserId, request.Body.Roles)
		})
		if err != nil {
			return user{}, err
		}
		return readUser(ctx, q, request.UserId)
	})
	if err != nil {
		return nil, err
	}
	return api.ReplaceUserRoles200JSONResponse(h.userView(changed)), nil
}

// assign makes the wanted assignments those of the user. The caller must hold what is new to the user.
func (h *Handler) assign(ctx context.Context, q *db.Queries, id uuid.UUID, wanted []api.RoleAssignmentInput) error {
	roles, err := h.rolesByID(ctx, q, wanted)
	if err != nil {
		return err
	}
	assignments, faults := assignmentsOf(wanted, roles)
	if err := apperr.InvalidFields(faults); err != nil {
		return err
	}
	present, err := q.AssignmentsOf(ctx, []uuid.UUID{id})
	if err != nil {
		return fmt.Errorf("list the assignments: %w", err)
	}
	for _, a := range assignments {
		isPresent := slices.ContainsFunc(present, func(p gendb.AssignmentsOfRow) bool {
			return h.roleID(p) == a.id && equal(p.InstitutionID, a.institution)
		})
		if isPresent {
			continue
		}
		if err := mayGive(auth.From(ctx), a.permissions, a.institution); err != nil {
			return err
		}
	}
	return replaceAssignments(ctx, q, id, assignments)
}

func replaceAssignments(ctx context.Context, q *db.Queries, id uuid.UUID, assignments []assignment) error {
	if err := q.RemoveAssignments(ctx, id); err != nil {
		return fmt.Errorf("remove the assignments: %w", err)
	}
	rows := make([]gendb.AssignParams, len(assignments))
	for i, a := range assignments {
		rows[i] = gendb.AssignParams{UserID: id, InstitutionID: a.institution}
		if a.builtIn {
			rows[i].Role = &a.name
		} else {
			rows[i].RoleID = &a.id
		}
	}
	at, err := db.RunBatch(q.Assign(ctx, rows))
	if known, ok := errors.AsType[*apperr.Error](db.Translate(err)); ok {
		known.Fields = apperr.Under(known.Fields, "roles", at)
		return known
	}
	return err
}

// rolesByID finds the roles of either kind that are named.
func (h *Handler) rolesByID(ctx context.Context, q *db.Queries, wanted []api.RoleAssignmentInput) (map[uuid.UUID]role, error) {
	found := map[uuid.UUID]role{}
	for _, r := range h.builtInRoles() {
		found[r.id] = r
	}
	ids := make([]uuid.UUID, len(wanted))
	for i, w := range wanted {
		ids[i] = w.RoleId
	}
	rows, err := q.GetRoles(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("find the roles: %w", err)
	}
	for _, row := range rows {
		found[row.ID] = h.fromRow(row)
	}
	return found, nil
}

// roleID is the id of an assignment's role. That of a built-in one is in the document; one that the document no longer
// has is nobody's.
func (h *Handler) roleID(a gendb.AssignmentsOfRow) uuid.UUID {
	if a.RoleID != nil {
		return *a.RoleID
	}
	r, _ := h.Contract.Role(a.RoleName)
	return r.ID
}
