package access

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/idempotency"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// user is a user with the roles given.
type user struct {
	gendb.GetUserRow

	assignments []gendb.AssignmentsOfRow
}

// userKey is the place of a user in the list.
type userKey struct {
	LastName  string    `json:"l"`
	FirstName string    `json:"f"`
	ID        uuid.UUID `json:"id"`
}

// ListUsers lists and searches users.
func (h *Handler) ListUsers(ctx context.Context, request api.ListUsersRequestObject) (api.ListUsersResponseObject, error) {
	p := request.Params
	filters := p
	filters.Page, filters.Limit, filters.Cursor = nil, nil, nil
	filter := gendb.CountUsersParams{Pattern: containing(p.Q), IsActive: p.IsActive, RoleID: p.RoleId, Most: page.CountLimit()}
	if p.RoleId != nil {
		r, _ := h.findBuiltIn(*p.RoleId)
		filter.Role = r.name
	}
	data, info, err := page.List[userKey, user, api.User]{
		Name:       "users",
		Parameters: page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor},
		Filters:    filters,
		Rows: func(ctx context.Context, q *db.Queries, wanted page.Request[userKey]) ([]user, error) {
			return h.userRows(ctx, q, filter, wanted)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) { return q.CountUsers(ctx, filter) },
		Key:   func(u user) userKey { return userKey{u.LastName, u.FirstName, u.ID} },
		View:  h.userView,

		InSteps: true,
	}.Read(ctx, h.DB, auth.Scope(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListUsers200JSONResponse{Data: data, Page: info}, nil
}

func (h *Handler) userRows(ctx context.Context, q *db.Queries, f gendb.CountUsersParams, wanted page.Request[userKey]) ([]user, error) {
	arg := gendb.ListUsersParams{
		Pattern: f.Pattern, IsActive: f.IsActive, RoleID: f.RoleID, Role: f.Role,
		RowLimit: wanted.RowLimit(), RowOffset: wanted.RowOffset(),
	}
	if after := wanted.After; after != nil {
		arg.AfterID, arg.AfterLastName, arg.AfterFirstName = &after.ID, &after.LastName, &after.FirstName
	}
	rows, err := q.ListUsers(ctx, arg)
	if err != nil {
		return nil, fmt.Errorf("list the users: %w", err)
	}
	users := make([]user, len(rows))
	for i, row := range rows {
		users[i].GetUserRow = gendb.GetUserRow(row)
	}
	return users, addAssignments(ctx, q, users)
}

// addAssignments reads the roles of all the users at once.
func addAssignments(ctx context.Context, q *db.Queries, users []user) error {
	ids := make([]uuid.UUID, len(users))
	at := make(map[uuid.UUID]int, len(users))
	for i, u := range users {
		ids[i], at[u.ID] = u.ID, i
	}
	rows, err := q.AssignmentsOf(ctx, ids)
	if err != nil {
		return fmt.Errorf("list the assignments: %w", err)
	}
	for _, row := range rows {
		u := &users[at[row.UserID]]
		u.assignments = append(u.assignments, row)
	}
	return nil
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// containing is the LIKE pattern of a search text, in which nothing is a wildcard.
func containing(q *string) *string {
	if q == nil {
		return nil
	}
	return new("%" + likeEscaper.Replace(*q) + "%")
}

// GetUser gets one user.
func (h *Handler) GetUser(ctx context.Context, request api.GetUserRequestObject) (api.GetUserResponseObject, error) {
	found, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.ReadOnly, func(ctx context.Context, q *db.Queries) (user, error) {
		return readUser(ctx, q, request.UserId)
	})
	if err != nil {
		return nil, err
	}
	return api.GetUser200JSONResponse(h.userView(found)), nil
}

func readUser(ctx context.Context, q *db.Queries, id uuid.UUID) (user, error) {
	row, err := q.GetUser(ctx, id)
	if err != nil {
		return user{}, err
	}
	one := []user{{GetUserRow: row}}
	err = addAssignments(ctx, q, one)
	return one[0], err
}

// CreateUser creates a user, perhaps with a first password and roles. Hashing, which takes long on purpose, happens
// outside of the transaction.
func (h *Handler) CreateUser(ctx context.Context, request api.CreateUserRequestObject) (api.CreateUserResponseObject, error) {
	in := request.Body
	hash, err := hashOf(ctx, in)
	if err != nil {
		return nil, err
	}
	return idempotency.InTx(ctx, h.DB, auth.Scope(ctx), api.CreateUserResponseObject.VisitCreateUserResponse,
		func(ctx context.Context, q *db.Queries) (api.CreateUserResponseObject, error) {
			created, err := h.createUser(ctx, q, in, hash)
			if err != nil {
				return nil, err
			}
			return api.CreateUser201JSONResponse{
				Body: h.userView(created), Headers: api.CreateUser201ResponseHeaders{Location: "/v1/users/" + created.ID.String()},
			}, nil
		})
}

func (h *Handler) createUser(ctx context.Context, q *db.Queries, in *api.UserCreate, hash *string) (user, error) {
	id := uuid.Must(uuid.NewV7())
	if err := q.CreateUser(ctx, gendb.CreateUserParams{
		ID: id, Email: &in.Email, FirstName: in.FirstName, LastName: in.LastName, PasswordHash: hash,
	}); err != nil {
		return user{}, fmt.Errorf("create the user: %w", err)
	}
	if err := h.assign(ctx, q, id, patched(in.Roles, nil)); err != nil {
		return user{}, err
	}
	return readUser(ctx, q, id)
}

// hashOf is the hash of the first password; nil without one.
func hashOf(ctx context.Context, in *api.UserCreate) (*string, error) {
	if in.Password == nil {
		return nil, nil //nolint:nilnil // a user may have no password
	}
	known := auth.NewUser{Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Password: *in.Password}
	if err := apperr.InvalidFields(auth.PasswordFaults("password", known)); err != nil {
		return nil, err
	}
	hash, err := auth.HashPassword(ctx, *in.Password)
	return &hash, err
}

// UpdateUser changes what a merge patch names.
func (h *Handler) UpdateUser(ctx context.Context, request api.UpdateUserRequestObject) (api.UpdateUserResponseObject, error) {
	patch := cmp.Or(request.JSONBody, request.ApplicationMergePatchPlusJSONBody)
	changed, err := db.InTxValue(ctx, h.DB, auth.Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (user, error) {
		if err := h.change(ctx, q, request.UserId, *patch); err != nil {
			return user{}, err
		}
		return readUser(ctx, q, request.UserId)
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateUser200JSONResponse(h.userView(changed)), nil
}

// change changes a user; one who is deactivated has no session from then on.
func (h *Handler) change(ctx context.Context, q *db.Queries, id uuid.UUID, patch api.UserPatch) error {
	if patched(patch.IsActive, true) {
		return updateUser(ctx, q, id, patch)
	}
	return h.keepingAdministrator(ctx, q, func() error {
		if err := updateUser(ctx, q, id, patch); err != nil {
			return err
		}
		return q.EndSessionsOfUser(ctx, id)
	})
}

func updateUser(ctx context.Context, q *db.Queries, id uuid.UUID, patch api.UserPatch) error {
	row, err := q.LockUser(ctx, id)
	if err != nil {
		return err
	}
	if patch.Email != nil {
		row.Email = patch.Email
	}
	return q.UpdateUser(ctx, gendb.UpdateUserParams{
		ID: id, Email: row.Email, FirstName: patched(patch.FirstName, row.FirstName),
		LastName: patched(patch.LastName, row.LastName), IsActive: patched(patch.IsActive, row.IsActive),
	})
}

func (h *Handler) userView(u user) api.User {
	roles := make([]api.RoleAssignment, len(u.assignments))
	for i, a := range u.assignments {
		roles[i] = api.RoleAssignment{RoleId: h.roleID(a), Role: a.RoleName, InstitutionId: a.InstitutionID}
	}
	return api.User{
		Id: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, IsActive: u.IsActive, Roles: roles,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
}
