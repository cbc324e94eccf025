// Package access is who may do what: users, roles, and which user has which role. It holds the operations of the tag
// access.
//
// A role is a name for permissions and says how far they reach. Built-in roles are written in openapi.yaml and are the
// same in every tenant; a school group adds its own. An assignment gives a user a role, perhaps limited to one
// institution. What a signed-in user may do follows from the assignments (auth.Grants), at the very next request.
//
// Two rules stand above the permissions, in rules.go: nobody gives what they do not hold as widely themselves, and
// somebody who may change users and roles stays. Start with role.go; user.go and assignment.go use what it makes.
package access

import (
	"context"
	"fmt"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/auth"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Handler has the operations of the tag access.
type Handler struct {
	DB       *db.DB
	Contract *contract.Contract
	Sessions *auth.Handler
}

// keepingAdministrator runs a change that may take rights away. If it takes the last administrator, it is refused as a
// whole. Such changes wait for each other, so two administrators cannot remove one another at once.
func (h *Handler) keepingAdministrator(ctx context.Context, q *db.Queries, change func() error) error {
	if _, err := q.LockRoles(ctx); err != nil {
		return fmt.Errorf("lock the roles: %w", err)
	}
	before, err := h.hasAdministrator(ctx, q)
	if err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	after, err := h.hasAdministrator(ctx, q)
	if err != nil {
		return err
	}
	if before && !after {
		return apperr.New(apperr.Conflict, "Nobody would be left who can sign in and change users and roles.")
	}
	return nil
}

func (h *Handler) hasAdministrator(ctx context.Context, q *db.Queries) (bool, error) {
	found, err := q.HasAdministrator(ctx, h.rolesThatPermit("users:write"), h.rolesThatPermit("roles:write"))
	if err != nil {
		return false, fmt.Errorf("look for an administrator: %w", err)
	}
	return found, nil
}

// rolesThatPermit are the built-in roles that hold a permission in all institutions.
func (h *Handler) rolesThatPermit(permission string) []string {
	names := []string{}
	for _, r := range h.Contract.Roles() {
		if holds(r.Permissions, permission) && r.Reach == contract.ReachInstitutions {
			names = append(names, r.Name)
		}
	}
	return names
}

// patched is the member of a merge patch, or what it was before when the patch leaves it out.
func patched[T any](member *T, before T) T {
	if member == nil {
		return before
	}
	return *member
}
