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
	Lifetime time.Duration // after sign-in, however much it is used and whatever token it has
}

const (
	// halfLifetime is how long a sign-in may wait for its second factor.
	halfLifetime = 15 * time.Minute
	// freshFor is how long a factor counts as just given.
	freshFor = 15 * time.Minute
)

// Authenticate finds the principal of a credential. Whatever is wrong with it, the error is the same.
func (h *Handler) Authenticate(ctx context.Context, c Credential) (Principal, error) {
	token, err := ParseToken(c.Token)
	if err != nil {
		return Principal{}, errNotSignedIn
	}
	scope, seen := db.Tenant(token.Tenant), h.Memory.seen()
	row, err := db.Read(ctx, h.DB, scope, func(ctx context.Context, q *db.Queries) (gendb.LiveSessionRow, error) {
		return q.LiveSession(ctx, gendb.LiveSessionParams{
			TokenHash: token.Hash(), Transport: string(c.Transport), IdleSeconds: h.Limits.Idle.Seconds(), FreshSeconds: freshFor.Seconds(),
		})
	})
	if errors.Is(err, db.ErrTenantUnavailable) || apperr.KindOf(err) == apperr.NotFound {
		return Principal{}, errNotSignedIn
	}
	if err == nil && row.IsStale {
		err = h.DB.InTx(ctx, scope, db.Options{}, func(ctx context.Context, q *db.Queries) error {
			return q.TouchSession(db.Last(ctx), row.ID)
		})
	}
	if err != nil {
		return Principal{}, err
	}
	grants, err := h.grantsFor(ctx, grantKey{tenant: token.Tenant, user: row.UserID, access: row.AccessVersion, roles: row.RolesVersion})
	if err != nil {
		return Principal{}, err
	}
	p := principalOf(c.Transport, token, row, grants)
	h.Memory.remember(c.Digest(), seen, p, row.State)
	return p, nil
}

func principalOf(transport api.Transport, token Token, row gendb.LiveSessionRow, grants Grants) Principal {
	return Principal{
		Tenant: token.Tenant, Session: row.ID, User: row.UserID, Email: orEmpty(row.Email),
		FirstName: row.FirstName, LastName: row.LastName,
		Grants:           grants,
		SessionCreatedAt: row.CreatedAt, SessionExpiresAt: row.ExpiresAt, Transport: transport, token: token,
		hasFactor: row.HasFactor, factorGiven: row.FactorGiven, isFresh: row.IsFresh, tenantRequiresMFA: row.TenantRequiresMfa,
	}
}

// newSession is a session to be created for who signs in with a password that hashes to this.
func (h *Handler) newSession(ctx context.Context, p Principal, passwordHash string) gendb.CreateSessionParams {
	client, lifetime := clientOf(ctx), h.Limits.Lifetime
	if p.MFA() == api.MfaStateRequired {
		lifetime = min(lifetime, halfLifetime)
	}
	return gendb.CreateSessionParams{
		ID: uuid.Must(uuid.NewV7()), UserID: p.User, PasswordHash: passwordHash,
		TokenHash: p.token.Hash(), Transport: string(p.Transport),
		ExpiresAt: time.Now().Add(lifetime), RemoteAddress: client.Address, UserAgent: client.UserAgent,
	}
}

// given are the factors that a session gets another token for.
type given struct{ password, factor bool }

// rotate gives the caller's session another token, in the transaction that has taken the factor; the present token is
// dead when it commits. The caller is who they are with it.
func (h *Handler) rotate(ctx context.Context, q *db.Queries, p Principal, token Token, g given) (Principal, error) {
	row, err := q.RotateSession(ctx, gendb.RotateSessionParams{
		ID: p.Session, OldHash: p.token.Hash(), NewHash: token.Hash(), LifetimeSeconds: h.Limits.Lifetime.Seconds(),
		PasswordGiven: g.password, FactorGiven: g.factor,
	})
	if isNotFound(err) { // it ended meanwhile, or somebody else was sooner
		return Principal{}, errNotSignedIn
	}
	if err != nil {
		return Principal{}, fmt.Errorf("rotate the session: %w", err)
	}
	p.token, p.SessionExpiresAt, p.factorGiven = token, row.ExpiresAt, p.factorGiven || g.factor
	return p, nil
}

// signIn is the answer to who has a session with a fresh token.
func signIn(p Principal) api.SignIn {
	in := api.SignIn{ExpiresAt: p.SessionExpiresAt, Mfa: p.MFA(), User: sessionUser(p), CsrfToken: csrf(p.Transport, p.token)}
	if p.Transport == api.TransportBearer {
		in.Token = new(p.token.String())
	}
	return in
}

// Logout ends the session of the request.
func (h *Handler) Logout(ctx context.Context, _ api.LogoutRequestObject) (api.LogoutResponseObject, error) {
	p := From(ctx)
	err := h.DB.InTx(ctx, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		_, err := q.EndSession(ctx, p.Session)
		return err
	})
	if err != nil {
		return nil, err
	}
	h.Memory.forgetUser(p.Tenant, p.User)
	return api.Logout204Response{Headers: api.Logout204ResponseHeaders{SetCookie: noCookie(p.Transport)}}, nil
}

// GetSession tells who is signed in.
func (h *Handler) GetSession(ctx context.Context, _ api.GetSessionRequestObject) (api.GetSessionResponseObject, error) {
	p := From(ctx)
	tenant, err := h.tenantOf(ctx, p)
	if err != nil {
		return nil, err
	}
	return api.GetSession200JSONResponse{
		Id: p.Session, CreatedAt: p.SessionCreatedAt, ExpiresAt: p.SessionExpiresAt, Mfa: p.MFA(),
		Transport: p.Transport, CsrfToken: csrf(p.Transport, p.token),
		Tenant: api.SessionTenant{Id: tenant.ID, Slug: tenant.Slug, Name: tenant.Name},
		User:   sessionUser(p),
	}, nil
}

func (h *Handler) tenantOf(ctx context.Context, p Principal) (gendb.ControlTenant, error) {
	return db.Read(ctx, h.DB, db.Control, func(ctx context.Context, q *db.Queries) (gendb.ControlTenant, error) {
		return q.TenantByID(ctx, p.Tenant)
	})
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
		Transport: api.Transport(row.Transport),
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
	defer h.Memory.forgetUser(From(ctx).Tenant, user)
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
