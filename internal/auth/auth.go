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
	Tenant      uuid.UUID
	Session     uuid.UUID
	User        uuid.UUID
	Email       string
	FirstName   string
	LastName    string
	Roles       []string
	Permissions []string // sorted

	SessionCreatedAt time.Time
	SessionExpiresAt time.Time
}

// May reports whether the principal holds a permission. The empty permission asks for nothing.
func (p Principal) May(permission string) bool {
	if permission == "" {
		return true
	}
	_, found := slices.BinarySearch(p.Permissions, permission)
	return found
}

// known are the words that everybody knows of the principal, and that so make no password.
func (p Principal) known() []string {
	local, domain, _ := strings.Cut(p.Email, "@")
	return []string{p.Email, local, domain, p.FirstName, p.LastName, p.FirstName + p.LastName, p.FirstName + " " + p.LastName}
}

type principalKey struct{}

// With is ctx with a principal.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From is the principal of ctx. It panics without one: a handler of an operation that needs a sign-in is only reached
// with a principal.
func From(ctx context.Context) Principal {
	return ctx.Value(principalKey{}).(Principal) //nolint:forcetypeassert // the panic is the point
}

// Lookup is the principal of ctx, if there is one.
func Lookup(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// Scope is the schema of the principal's tenant, with the rows that the principal may see.
func Scope(ctx context.Context) db.Scope {
	p := From(ctx)
	return db.Tenant(p.Tenant).Limited(p.visibility())
}

// visibility adds up over the roles: a teacher sees the sections, a guardian the students, any other role everything.
func (p Principal) visibility() db.Visibility {
	var v db.Visibility
	for _, role := range p.Roles {
		switch role {
		case "teacher":
			v.TeacherOf = p.User
		case "guardian":
			v.GuardianOf = p.User
		default:
			v.All = true
		}
	}
	return v
}
