package auth

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/contract"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// Handler has the operations of the tag auth.
type Handler struct {
	DB       *db.DB
	Contract *contract.Contract
	Limits   Limits
	Box      *seal.Box
	// Now is the clock that codes of second factors are compared by; nil is the true one.
	Now func() time.Time
	// Memory remembers who is signed in; nil: the database is asked for every request.
	Memory *Memory

	grants grantCache
}

var (
	errNotSignedIn = apperr.New(apperr.Unauthenticated, "Sign in and send the token as Authorization: Bearer, or the cookie alone.")
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
	p, err := h.arriving(ctx, attempt, *in.Transport)
	if err != nil {
		return nil, err
	}
	if err := h.endPresented(ctx); err != nil {
		return nil, err
	}
	p, err = h.begin(db.WithUser(ctx, p.User), attempt, p) // the password has shown who it is
	if apperr.KindOf(err) == apperr.NotFound {             // changed or deactivated since it was compared
		return nil, errWrongLogin
	}
	if err != nil {
		return nil, err
	}
	return api.Login200JSONResponse{
		Body: signIn(p), Headers: api.Login200ResponseHeaders{SetCookie: cookie(p.Transport, p.token, p.SessionExpiresAt)},
	}, nil
}

// arriving is who has given the right password, with a token for the session to come.
func (h *Handler) arriving(ctx context.Context, a attempt, transport api.Transport) (Principal, error) {
	user := a.user
	grants, err := h.grantsFor(ctx, grantKey{tenant: a.tenant, user: user.ID, access: user.AccessVersion, roles: user.RolesVersion})
	return Principal{
		Tenant: a.tenant, User: user.ID, Email: orEmpty(user.Email), FirstName: user.FirstName, LastName: user.LastName, Grants: grants,
		Transport: transport, token: NewToken(a.tenant), hasFactor: user.HasFactor, tenantRequiresMFA: user.TenantRequiresMfa,
	}, err
}

// endPresented ends the sessions that the sign-in came with, so that what was planted in a browser before is worthless
// (OWASP ASVS 5.0, 7.2.4).
func (h *Handler) endPresented(ctx context.Context) error {
	for _, c := range credentialsOf(ctx) {
		token, err := ParseToken(c.Token)
		if err != nil {
			continue
		}
		err = h.DB.InTx(ctx, db.Tenant(token.Tenant), db.Options{}, func(ctx context.Context, q *db.Queries) error {
			return q.EndSessionOfToken(ctx, token.Hash(), string(c.Transport))
		})
		if err != nil && !errors.Is(err, db.ErrTenantUnavailable) {
			return err
		}
	}
	return nil
}

// begin creates the session.
func (h *Handler) begin(ctx context.Context, a attempt, p Principal) (Principal, error) {
	session, err := db.InTxValue(ctx, h.DB, db.Tenant(p.Tenant), db.Options{}, func(ctx context.Context, q *db.Queries) (gendb.CreateSessionRow, error) {
		session, err := q.CreateSession(ctx, h.newSession(ctx, p, *a.user.PasswordHash))
		if err != nil {
			return session, err
		}
		return session, a.succeed(ctx, q)
	})
	p.Session, p.SessionCreatedAt, p.SessionExpiresAt = session.ID, session.CreatedAt, session.ExpiresAt
	return p, err
}

func sessionUser(p Principal) api.SessionUser {
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
