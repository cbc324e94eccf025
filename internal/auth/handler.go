package auth

import (
	"context"
	"errors"

	"github.com/google/uuid"

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
	tenant, user, err := h.findUser(ctx, in.Tenant, in.Email)
	if err != nil {
		return nil, err
	}
	matches, err := passwordMatches(ctx, in.Password, user.PasswordHash)
	if err != nil {
		return nil, err
	}
	if !matches || !user.IsActive {
		return nil, errWrongLogin
	}
	token := NewToken(tenant)
	session, err := db.InTxValue(ctx, h.DB, db.Tenant(tenant), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.CreateSessionRow, error) {
		return q.CreateSession(ctx, h.newSession(ctx, token, user.ID, *user.PasswordHash))
	})
	if apperr.KindOf(err) == apperr.NotFound { // changed or deactivated since it was compared
		return nil, errWrongLogin
	}
	if err != nil {
		return nil, err
	}
	grants, err := h.grantsFor(ctx, grantKey{tenant: tenant, user: user.ID, access: user.AccessVersion, roles: user.RolesVersion})
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

// findUser finds who signs in. An unknown tenant or user is no error here but a user without a password, so that the
// comparison, and with it the time, is the same for all.
func (h *Handler) findUser(ctx context.Context, slug, email string) (uuid.UUID, gendb.UserForLoginRow, error) {
	tenant, err := db.InTxValue(ctx, h.DB, db.Control, db.ReadOnly, func(ctx context.Context, q *db.Queries) (gendb.ControlTenant, error) {
		return q.TenantBySlug(ctx, slug)
	})
	if apperr.KindOf(err) == apperr.NotFound {
		return uuid.Nil, gendb.UserForLoginRow{}, nil
	}
	if err != nil {
		return uuid.Nil, gendb.UserForLoginRow{}, err
	}
	user, err := db.InTxValue(ctx, h.DB, db.Tenant(tenant.ID), db.ReadOnly, func(ctx context.Context, q *db.Queries) (gendb.UserForLoginRow, error) {
		return q.UserForLogin(ctx, email)
	})
	if errors.Is(err, db.ErrTenantUnavailable) || apperr.KindOf(err) == apperr.NotFound {
		err = nil
	}
	return tenant.ID, user, err
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
