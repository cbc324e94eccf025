package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/cases"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
)

// role is a role of either kind.
type role struct {
	id                   uuid.UUID
	name                 string
	description          *string
	permissions          []string // declared ones, sorted
	reach                contract.Reach
	requiresMFA          bool
	builtIn              bool
	createdAt, updatedAt *time.Time // nil of a built-in one
}

func (h *Handler) fromRow(row gendb.Role) role {
	return role{
		id: row.ID, name: row.Name, description: row.Description, permissions: h.Contract.Declared(row.Permissions),
		reach: contract.Reach(row.Reach), requiresMFA: row.RequiresMfa, createdAt: &row.CreatedAt, updatedAt: &row.UpdatedAt,
	}
}

func builtIn(r contract.Role) role {
	return role{
		id: r.ID, name: r.Name, description: &r.Description, permissions: r.Permissions,
		reach: r.Reach, requiresMFA: r.RequiresMFA, builtIn: true,
	}
}

func (h *Handler) builtInRoles() []role {
	var roles []role
	for _, r := range h.Contract.Roles() {
		roles = append(roles, builtIn(r))
	}
	return roles
}

// findBuiltIn finds a built-in role by its id.
func (h *Handler) findBuiltIn(id uuid.UUID) (role, bool) {
	roles := h.builtInRoles()
	i := slices.IndexFunc(roles, func(r role) bool { return r.id == id })
	if i < 0 {
		return role{}, false
	}
	return roles[i], true
}

// fold is a name without the difference of upper and lower case, in all scripts.
func fold(name string) string { return cases.Fold().String(name) }

// GetRole gets one role.
func (h *Handler) GetRole(ctx context.Context, request api.GetRoleRequestObject) (api.GetRoleResponseObject, error) {
	if r, found := h.findBuiltIn(request.RoleId); found {
		return api.GetRole200JSONResponse(roleView(r)), nil
	}
	row, err := db.Read(ctx, h.DB, auth.Scope(ctx), func(ctx context.Context, q *db.Queries) (gendb.Role, error) {
		return q.GetRole(ctx, request.RoleId)
	})
	if err != nil {
		return nil, err
	}
	return api.GetRole200JSONResponse(roleView(h.fromRow(row))), nil
}

// CreateRole adds a role of the school group's own.
func (h *Handler) CreateRole(ctx context.Context, request api.CreateRoleRequestObject) (api.CreateRoleResponseObject, error) {
	in := request.Body
	wanted := gendb.Role{
		ID: uuid.Must(uuid.NewV7()), Name: in.Name, Description: in.Description, Permissions: in.Permissions,
		Reach: string(in.Reach), RequiresMfa: *in.RequiresMfa,
	}
	if err := h.checkRole(auth.From(ctx), wanted); err != nil {
		return nil, err
	}
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.CreateRoleResponseObject.VisitCreateRoleResponse,
		func(ctx context.Context, q *db.Queries) (api.CreateRoleResponseObject, error) {
			row, err := createRole(ctx, q, wanted)
			if err != nil {
				return nil, err
			}
			return api.CreateRole201JSONResponse{
				Body: roleView(h.fromRow(row)), Headers: api.CreateRole201ResponseHeaders{Location: "/v1/roles/" + row.ID.String()},
			}, nil
		})
}

func createRole(ctx context.Context, q *db.Queries, r gendb.Role) (gendb.Role, error) {
	if _, err := q.LockRoles(ctx); err != nil {
		return gendb.Role{}, fmt.Errorf("lock the roles: %w", err)
	}
	count, err := q.CountRoles(ctx)
	if err != nil {
		return gendb.Role{}, fmt.Errorf("count the roles: %w", err)
	}
	if count >= mostRoles {
		return gendb.Role{}, apperr.New(apperr.Conflict, fmt.Sprintf("A school group may have %d roles of its own.", mostRoles))
	}
	return q.CreateRole(ctx, gendb.CreateRoleParams{
		ID: r.ID, Name: r.Name, NameFolded: fold(r.Name), Description: r.Description, Permissions: r.Permissions,
		Reach: r.Reach, RequiresMfa: r.RequiresMfa,
	})
}

// checkRole refuses a role that somebody may not make, or nobody.
func (h *Handler) checkRole(by auth.Principal, r gendb.Role) error {
	if err := apperr.InvalidFields(unknownPermissions(h.Contract, r.Permissions)); err != nil {
		return err
	}
	if err := mayGive(by, r.Permissions, nil); err != nil {
		return err
	}
	for _, b := range h.Contract.Roles() {
		if fold(b.Name) == fold(r.Name) {
			return apperr.WithFields(apperr.Conflict, apperr.BodyField("unique", "Already in use", "name"))
		}
	}
	return nil
}

// UpdateRole changes what a merge patch names.
func (h *Handler) UpdateRole(ctx context.Context, request api.UpdateRoleRequestObject) (api.UpdateRoleResponseObject, error) {
	patch := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	if err := h.refuseBuiltIn(request.RoleId); err != nil {
		return nil, err
	}
	row, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (row gendb.Role, err error) {
		return row, h.keepingAdministrator(ctx, q, func() error {
			row, err = h.updateRole(ctx, q, request.RoleId, *patch)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateRole200JSONResponse(roleView(h.fromRow(row))), nil
}

func (h *Handler) updateRole(ctx context.Context, q *db.Queries, id uuid.UUID, patch api.RolePatch) (gendb.Role, error) {
	row, err := q.LockRole(ctx, id)
	if err != nil {
		return row, err
	}
	row.Permissions = h.Contract.Declared(row.Permissions)
	applyToRole(&row, patch)
	if err := h.checkRole(auth.From(ctx), row); err != nil {
		return row, err
	}
	return q.UpdateRole(ctx, gendb.UpdateRoleParams{
		ID: id, Name: row.Name, NameFolded: fold(row.Name), Description: row.Description, Permissions: row.Permissions,
		Reach: row.Reach, RequiresMfa: row.RequiresMfa,
	})
}

// applyToRole changes row as the patch says: absent stays, null clears.
func applyToRole(row *gendb.Role, patch api.RolePatch) {
	row.Name = patched(patch.Name, row.Name)
	row.Permissions = patched(patch.Permissions, row.Permissions)
	row.Reach = string(patched(patch.Reach, api.Reach(row.Reach)))
	row.RequiresMfa = patched(patch.RequiresMfa, row.RequiresMfa)
	if patch.Description.IsSpecified() {
		row.Description = nil
		if text, err := patch.Description.Get(); err == nil {
			row.Description = &text
		}
	}
}

// DeleteRole deletes a role that nobody has.
func (h *Handler) DeleteRole(ctx context.Context, request api.DeleteRoleRequestObject) (api.DeleteRoleResponseObject, error) {
	if err := h.refuseBuiltIn(request.RoleId); err != nil {
		return nil, err
	}
	err := h.DB.InTx(ctx, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		if _, err := q.LockRoles(ctx); err != nil {
			return fmt.Errorf("lock the roles: %w", err)
		}
		return deleteRole(ctx, q, request.RoleId)
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteRole204Response{}, nil
}

func deleteRole(ctx context.Context, q *db.Queries, id uuid.UUID) error {
	if _, err := q.LockRole(ctx, id); err != nil {
		return err
	}
	users, err := q.CountUsersOfRole(ctx, &id)
	if err != nil {
		return fmt.Errorf("count the users of the role: %w", err)
	}
	if users > 0 {
		return apperr.New(apperr.Conflict, fmt.Sprintf("Users who have this role: %d. Take it from them first.", users))
	}
	_, err = q.DeleteRole(ctx, id)
	return err
}

func (h *Handler) refuseBuiltIn(id uuid.UUID) error {
	if r, found := h.findBuiltIn(id); found {
		return apperr.New(apperr.Conflict, fmt.Sprintf("The role %s is built in and stays as it is.", r.name))
	}
	return nil
}

func roleView(r role) api.Role {
	return api.Role{
		Id: r.id, Name: r.name, Description: r.description, Permissions: r.permissions, Reach: api.Reach(r.reach),
		RequiresMfa: r.requiresMFA, IsBuiltIn: r.builtIn, CreatedAt: r.createdAt, UpdatedAt: r.updatedAt,
	}
}
