package access

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// roleKey is the place of a role in the list.
type roleKey struct {
	Name string    `json:"n"` // folded
	ID   uuid.UUID `json:"id"`
}

func keyOf(r role) roleKey { return roleKey{fold(r.name), r.id} }

func (k roleKey) compare(other roleKey) int {
	return cmp.Or(cmp.Compare(k.Name, other.Name), slices.Compare(k.ID[:], other.ID[:]))
}

// ListRoles lists the roles of both kinds by name. There are few (mostRoles), so all are read.
func (h *Handler) ListRoles(ctx context.Context, request api.ListRolesRequestObject) (api.ListRolesResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	data, info, err := page.List[roleKey, role, api.Role]{
		Name:       "roles",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows: func(ctx context.Context, q *db.Queries, wanted page.Request[roleKey]) ([]role, error) {
			roles, err := h.allRoles(ctx, q)
			return cut(roles, wanted), err
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			own, err := q.CountRoles(ctx)
			return own + int64(len(h.Contract.Roles())), err
		},
		Key:  keyOf,
		View: roleView,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListRoles200JSONResponse{Data: data, Page: info}, nil
}

func (h *Handler) allRoles(ctx context.Context, q *db.Queries) ([]role, error) {
	rows, err := q.ListRoles(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the roles: %w", err)
	}
	roles := h.builtInRoles()
	for _, row := range rows {
		roles = append(roles, h.fromRow(row))
	}
	slices.SortFunc(roles, func(a, b role) int { return keyOf(a).compare(keyOf(b)) })
	return roles, nil
}

// cut takes from the sorted roles what a query would with limit, offset and keyset.
func cut(roles []role, wanted page.Request[roleKey]) []role {
	from := min(int(wanted.RowOffset()), len(roles))
	if wanted.After != nil {
		from = slices.IndexFunc(roles, func(r role) bool { return keyOf(r).compare(*wanted.After) > 0 })
		if from < 0 {
			return nil
		}
	}
	return roles[from:min(from+int(wanted.RowLimit()), len(roles))]
}

// ListPermissions lists what the document declares.
func (h *Handler) ListPermissions(context.Context, api.ListPermissionsRequestObject) (api.ListPermissionsResponseObject, error) {
	data := []api.Permission{}
	for _, name := range slices.Sorted(maps.Keys(h.Contract.Permissions)) {
		data = append(data, api.Permission{Name: name, Description: h.Contract.Permissions[name]})
	}
	info := api.PageInfo{Page: new(int32(1)), Limit: len(data), Total: int64(len(data)), TotalPages: 1}
	return api.ListPermissions200JSONResponse{Data: data, Page: info}, nil
}
