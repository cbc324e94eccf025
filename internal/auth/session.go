package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/page"
)

// Limits say when a session ends by itself (OWASP ASVS 5.0, 7.3.1 and 7.3.2).
type Limits struct {
	Idle     time.Duration // after its last use
	Lifetime time.Duration // after sign-in, however much it is used
}

// Authenticate finds the principal of a token. Whatever is wrong with the token, the error is the same.
func (h *Handler) Authenticate(ctx context.Context, text string) (Principal, error) {
	token, err := ParseToken(text)
	if err != nil {
		return Principal{}, errNotSignedIn
	}
	scope := db.Tenant(token.Tenant)
	row, err := db.InTxValue(ctx, h.DB, scope, db.ReadOnly, func(ctx context.Context, q *db.Queries) (gendb.LiveSessionRow, error) {
		return q.LiveSession(ctx, token.Hash(), h.Limits.Idle.Seconds())
	})
	if errors.Is(err, db.ErrTenantUnavailable) || apperr.KindOf(err) == apperr.NotFound {
		return Principal{}, errNotSignedIn
	}
	if err == nil && row.IsStale {
		err = h.DB.InTx(ctx, scope, db.Options{}, func(ctx context.Context, q *db.Queries) error {
			return q.TouchSession(ctx, row.ID)
		})
	}
	if err != nil {
		return Principal{}, err
	}
	grants, err := h.grantsFor(ctx, grantKey{tenant: token.Tenant, user: row.UserID, access: row.AccessVersion, roles: row.RolesVersion})
	if err != nil {
		return Principal{}, err
	}
	return Principal{
		Tenant: token.Tenant, Session: row.ID, User: row.UserID, Email: orEmpty(row.Email),
		FirstName: row.FirstName, LastName: row.LastName,
		Grants:           grants,
		SessionCreatedAt: row.CreatedAt, SessionExpiresAt: row.ExpiresAt,
	}, nil
}

// newSession is a session to be created for a user whose password hashes to this.
func (h *Handler) newSession(ctx context.Context, token Token, user uuid.UUID, passwordHash string) gendb.CreateSessionParams {
	client := clientOf(ctx)
	return gendb.CreateSessionParams{
		ID: uuid.Must(uuid.NewV7()), UserID: user, PasswordHash: passwordHash, TokenHash: token.Hash(),
		ExpiresAt: time.Now().Add(h.Limits.Lifetime), RemoteAddress: client.Address, UserAgent: client.UserAgent,
	}
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

// sessionKey is the place of a session in the list.
type sessionKey struct {
	CreatedAt time.Time `json:"c"`
	ID        uuid.UUID `json:"id"`
}

// ListSessions lists the live sessions of who asks.
func (h *Handler) ListSessions(ctx context.Context, request api.ListSessionsRequestObject) (api.ListSessionsResponseObject, error) {
	p := request.Params
	data, info, err := h.SessionsOf(ctx, From(ctx).User, page.Parameters{Page: p.Page, Limit: p.Limit, Cursor: p.Cursor})
	if err != nil {
		return nil, err
	}
	return api.ListSessions200JSONResponse{Data: data, Page: info}, nil
}

// SessionsOf lists the live sessions of a user of the caller's tenant.
func (h *Handler) SessionsOf(ctx context.Context, user uuid.UUID, p page.Parameters) ([]api.SessionSummary, api.PageInfo, error) {
	idle := h.Limits.Idle.Seconds()
	return page.List[sessionKey, gendb.ListSessionsRow, api.SessionSummary]{
		Name:       "sessions",
		Parameters: p,
		Filters:    user,
		Rows: func(ctx context.Context, q *db.Queries, wanted page.Request[sessionKey]) ([]gendb.ListSessionsRow, error) {
			arg := gendb.ListSessionsParams{UserID: user, IdleSeconds: idle, RowLimit: wanted.RowLimit(), RowOffset: wanted.RowOffset()}
			if wanted.After != nil {
				arg.AfterID, arg.AfterCreatedAt = &wanted.After.ID, &wanted.After.CreatedAt
			}
			return q.ListSessions(ctx, arg)
		},
		Count: func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.CountSessions(ctx, gendb.CountSessionsParams{UserID: user, IdleSeconds: idle, Most: page.CountLimit()})
		},
		Key:  func(row gendb.ListSessionsRow) sessionKey { return sessionKey{row.CreatedAt, row.ID} },
		View: func(row gendb.ListSessionsRow) api.SessionSummary { return sessionSummary(row, From(ctx).Session) },
	}.Read(ctx, h.DB, Scope(ctx))
}

func sessionSummary(row gendb.ListSessionsRow, current uuid.UUID) api.SessionSummary {
	return api.SessionSummary{
		Id: row.ID, CreatedAt: row.CreatedAt, LastUsedAt: row.LastUsedAt, ExpiresAt: row.ExpiresAt,
		IsCurrent: row.ID == current, RemoteAddress: row.RemoteAddress, UserAgent: row.UserAgent,
	}
}

// RevokeSession ends a session of who asks. Another user's is not there.
func (h *Handler) RevokeSession(ctx context.Context, request api.RevokeSessionRequestObject) (api.RevokeSessionResponseObject, error) {
	if err := h.EndSessionOf(ctx, From(ctx).User, request.SessionId); err != nil {
		return nil, err
	}
	return api.RevokeSession204Response{}, nil
}

// EndSessionOf ends a session of a user of the caller's tenant. One that is not this user's is not there.
func (h *Handler) EndSessionOf(ctx context.Context, user, session uuid.UUID) error {
	return h.DB.InTx(ctx, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		found, err := q.RevokeSession(ctx, session, user)
		if err != nil {
			return fmt.Errorf("revoke a session: %w", err)
		}
		if found == 0 {
			return apperr.New(apperr.NotFound, "")
		}
		return nil
	})
}
