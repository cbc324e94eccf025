package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// SessionLifetime is how long a session lasts from sign-in.
const SessionLifetime = 12 * time.Hour

// Handler has the operations of the tag auth.
type Handler struct {
	DB       *db.DB
	Contract *contract.Contract
}

var (
	errNotSignedIn = apperr.New(apperr.Unauthenticated, "Sign in and send the token as Authorization: Bearer.")
	errWrongLogin  = apperr.New(apperr.Unauthenticated, "Tenant, e-mail or password is wrong.")
)

// Authenticate finds the principal of a token. Whatever is wrong with the token, the error is the same.
func (h *Handler) Authenticate(ctx context.Context, text string) (Principal, error) {
	token, err := ParseToken(text)
	if err != nil {
		return Principal{}, errNotSignedIn
	}
	row, err := db.InTxValue(ctx, h.DB, db.Tenant(token.Tenant), db.ReadOnly, func(ctx context.Context, q *db.Queries) (gendb.LiveSessionRow, error) {
		return q.LiveSession(ctx, token.Hash())
	})
	if errors.Is(err, db.ErrTenantUnavailable) || apperr.KindOf(err) == apperr.NotFound {
		return Principal{}, errNotSignedIn
	}
	if err != nil {
		return Principal{}, err
	}
	return Principal{
		Tenant: token.Tenant, Session: row.ID, User: row.UserID, Email: orEmpty(row.Email),
		FirstName: row.FirstName, LastName: row.LastName,
		Roles: row.Roles, Permissions: h.Contract.PermissionsOf(row.Roles),
		SessionCreatedAt: row.CreatedAt, SessionExpiresAt: row.ExpiresAt,
	}, nil
}

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
		return q.CreateSession(ctx, gendb.CreateSessionParams{
			ID: uuid.Must(uuid.NewV7()), UserID: user.ID, TokenHash: token.Hash(), ExpiresAt: time.Now().Add(SessionLifetime),
		})
	})
	if err != nil {
		return nil, err
	}
	return api.Login200JSONResponse{
		Token: token.String(), ExpiresAt: session.ExpiresAt, Mfa: api.MfaStateNone,
		User: h.sessionUser(Principal{
			User: user.ID, Email: orEmpty(user.Email), FirstName: user.FirstName, LastName: user.LastName,
			Roles: user.Roles, Permissions: h.Contract.PermissionsOf(user.Roles),
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

// Logout ends the session of the request.
func (h *Handler) Logout(ctx context.Context, _ api.LogoutRequestObject) (api.LogoutResponseObject, error) {
	err := h.DB.InTx(ctx, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		_, err := q.EndSession(ctx, From(ctx).Session)
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.Logout204Response{}, nil
}

// GetSession tells who is signed in.
func (h *Handler) GetSession(ctx context.Context, _ api.GetSessionRequestObject) (api.GetSessionResponseObject, error) {
	p := From(ctx)
	tenant, err := db.InTxValue(ctx, h.DB, db.Control, db.ReadOnly, func(ctx context.Context, q *db.Queries) (gendb.ControlTenant, error) {
		return q.TenantByID(ctx, p.Tenant)
	})
	if err != nil {
		return nil, err
	}
	return api.GetSession200JSONResponse{
		Id: p.Session, CreatedAt: p.SessionCreatedAt, ExpiresAt: p.SessionExpiresAt, Mfa: api.MfaStateNone,
		Tenant: api.SessionTenant{Id: tenant.ID, Slug: tenant.Slug, Name: tenant.Name},
		User:   h.sessionUser(p),
	}, nil
}

func (h *Handler) sessionUser(p Principal) api.SessionUser {
	return api.SessionUser{
		Id: p.User, Email: p.Email, FirstName: p.FirstName, LastName: p.LastName, Roles: p.Roles, Permissions: p.Permissions,
	}
}

// orEmpty is a text that may be absent.
func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
