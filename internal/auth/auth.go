// Package auth is sign-in: passwords, sessions, and the principal who asks.
//
// A session's token is <prefix>.<tenant id>.<secret>: the tenant says in which schema to look, the secret is 256 random
// bits of which the database keeps only a hash. internal/server authenticates each request with Authenticate and puts the
// Principal into its context; handlers read it with From, and open their transaction in its tenant with Scope.
package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/internal/db"
)

// Principal is who asks.
type Principal struct {
	Grants // what the principal may do

	Tenant    uuid.UUID
	Session   uuid.UUID
	User      uuid.UUID
	Email     string
	FirstName string
	LastName  string

	SessionCreatedAt time.Time
	SessionExpiresAt time.Time
}

// Visibility is on which rows the principal holds a permission.
func (p Principal) Visibility(permission string) db.Visibility {
	return p.visibility(permission, p.User)
}

// MayIn reports whether a permission is held on everything of an institution.
func (p Principal) MayIn(permission string, institution uuid.UUID) bool {
	v := p.Visibility(permission)
	return v.All || slices.Contains(v.Institutions, institution)
}

// known are the words that everybody knows of the principal, and that so make no password.
func (p Principal) known() []string {
	local, domain, _ := strings.Cut(p.Email, "@")
	return []string{p.Email, local, domain, p.FirstName, p.LastName, p.FirstName + p.LastName, p.FirstName + " " + p.LastName}
}

type principalKey struct{}

// caller is a principal, and what the operation that it calls may see.
type caller struct {
	Principal

	scope db.Scope
}

// With is ctx with a principal who calls an operation that needs the permission: Scope is limited to the rows that the
// principal holds it on. The empty permission limits nothing.
func With(ctx context.Context, p Principal, permission string) context.Context {
	scope := db.Tenant(p.Tenant)
	if v := p.Visibility(permission); !v.All {
		scope = scope.Limited(v)
	}
	return context.WithValue(ctx, principalKey{}, caller{p, scope})
}

// From is the principal of ctx. It panics without one: a handler of an operation that needs a sign-in is only reached
// with a principal.
func From(ctx context.Context) Principal {
	return callerOf(ctx).Principal
}

func callerOf(ctx context.Context) caller {
	return ctx.Value(principalKey{}).(caller) //nolint:forcetypeassert // the panic is the point
}

// Lookup is the principal of ctx, if there is one.
func Lookup(ctx context.Context) (Principal, bool) {
	c, ok := ctx.Value(principalKey{}).(caller)
	return c.Principal, ok
}

// Scope is the schema of the principal's tenant, with the rows that the principal holds the operation's permission on.
func Scope(ctx context.Context) db.Scope { return callerOf(ctx).scope }
