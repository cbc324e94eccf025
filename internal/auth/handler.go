package auth

import (
	"context"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// Handler has the operations of the tag auth.
type Handler struct {
	DB       *db.DB
	Contract *contract.Contract
	Limits   Limits

	grants grantCache
}

var (
	errNotSignedIn = apperr.New(apperr.Unauthenticated, "Sign in and send the token as Authorization: Bearer.")
	errWrongLogin  = apperr.New(apperr.Unauthenticated, "Tenant, e-mail or password is wrong.")
)

// Login exchanges a password for a session.
func (h *Handler) Login(ctx context.Context, request api.LoginRequestObject) (api.LoginResponseObject, error) {
	in := request.Body
	attempt, err := h.beginAttempt(ctx, in.Tenant, in.Email)
	if err != nil {
		return nil, err
	}
	matches, err := passwordMatches(ctx, in.Password, attempt.hash())
	if err != nil {
		return nil, err
	}
	if !matches {
		return nil, errWrongLogin
	}
	if err := h.giveBackAddress(ctx, attempt); err != nil {
		return nil, err
	}
	token, user := NewToken(attempt.tenant), attempt.user
	ctx = db.WithUser(ctx, user.ID) // the password has shown who it is
	session, err := db.InTxValue(ctx, h.DB, db.Tenant(attempt.tenant), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.CreateSessionRow, error) {
		session, err := q.CreateSession(ctx, h.newSession(ctx, token, user.ID, *user.PasswordHash))
		if err != nil {
			return session, err
		}
		return session, attempt.succeed(ctx, q)
	})
	if apperr.KindOf(err) == apperr.NotFound { // changed or deactivated since it was compared
		return nil, errWrongLogin
	}
	if err != nil {
		return nil, err
	}
	grants, err := h.grantsFor(ctx, grantKey{tenant: attempt.tenant, user: user.ID, access: user.AccessVersion, roles: user.RolesVersion})
	if err != nil {
		return nil, err
	}
	return api.Login200JSONResponse{
		Token: token.String(), ExpiresAt: session.ExpiresAt, Mfa: api.MfaStateNone,
		User: h.sessionUser(Principal{
			User: user.ID, Email: orEmpty(user.Email), FirstName: user.FirstName, LastName: user.LastName, Grants: grants,
		}),
	}, nil
}

func (h *Handler) sessionUser(p Principal) api.SessionUser {
	return api.SessionUser{
		Id: p.User, Email: p.Email, FirstName: p.FirstName, LastName: p.LastName, Roles: p.Roles(), Permissions: p.Permissions(),
	}
}

// orEmpty is a text that may be absent.
func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
