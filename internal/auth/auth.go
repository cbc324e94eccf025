// Package auth is sign-in: passwords, sessions, and the principal who asks.
//
// A session is one row, whatever becomes of it: its token is another one after each factor that is given (RotateSession), its
// beginning and with it its absolute end stay. It is sent as a bearer token or as a cookie (credential.go). mfa.go has the
// second factor: who has one, or must, has a session that answers to little else until it was given (Principal.MFA).
//
// A session's token is <prefix>.<tenant id>.<secret>: the tenant says in which schema to look, the secret is 256 random
// bits of which the database keeps only a hash. internal/server authenticates each request with Authenticate and puts the
// Principal into its context; handlers read it with From, and open their transaction in its tenant with Scope.
package auth

import (
	"context"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
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
	Transport        api.Transport

	token             Token // of the request
	hasFactor         bool
	factorGiven       bool // in this session
	isFresh           bool // the second factor was given lately, or the password of who has none
	tenantRequiresMFA bool
	presumed          *presumption // nil: this was read from the database for the request
}

// MFA is whether a second factor is asked for.
func (p Principal) MFA() api.MfaState {
	switch {
	case p.hasFactor && p.factorGiven:
		return api.MfaStateSatisfied
	case p.hasFactor || p.tenantRequiresMFA || p.RequiresMFA():
		return api.MfaStateRequired
	}
	return api.MfaStateNone
}

// AllowMFA is an error that says what to do while a second factor is asked for.
func (p Principal) AllowMFA() error {
	switch {
	case p.MFA() != api.MfaStateRequired:
		return nil
	case p.hasFactor:
		return apperr.New(apperr.MFARequired, "Verify a code of your second factor first (POST /v1/auth/mfa/verify).")
	}
	return apperr.New(apperr.MFARequired, "A second factor is required here: set one up first (POST /v1/auth/mfa/enroll).")
}

// AllowFresh is an error that says what to do when a factor is wanted that was not given lately.
func (p Principal) AllowFresh(wanted contract.Factor) error {
	switch {
	case p.isFresh, wanted == contract.NoFactor, wanted == contract.SecondFactor && !p.hasFactor:
		return nil
	case p.hasFactor:
		return apperr.New(apperr.FreshFactorRequired, "Verify a code of your second factor again (POST /v1/auth/mfa/verify), then repeat this within 15 minutes.")
	}
	return apperr.New(apperr.FreshFactorRequired, "Sign in again, then repeat this within 15 minutes.")
}

// KnowsCSRF reports whether a text is the CSRF token of the session.
func (p Principal) KnowsCSRF(text string) bool {
	return subtle.ConstantTimeCompare([]byte(text), []byte(p.token.CSRF())) == 1
}

// csrf is what the page of a session that is a cookie has to send.
func csrf(transport api.Transport, token Token) *string {
	if transport != api.TransportCookie {
		return nil
	}
	return new(token.CSRF())
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
	return context.WithValue(db.WithGuard(ctx, p.guard()), principalKey{}, caller{p, scope})
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
