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
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// The second factor is TOTP (RFC 6238) with recovery codes. Its secret is sealed; a code is compared here, and used up by
// one statement, so that of all who have it at once, on all instances, one succeeds (UseStep, UseRecoveryCode).

var (
	errNoFactor     = apperr.New(apperr.Conflict, "There is no second factor; set one up first (POST /v1/auth/mfa/enroll).")
	errActiveFactor = apperr.New(apperr.Conflict, "There is a second factor already; remove it first (DELETE /v1/auth/mfa).")
)

func wrongCode(field string) error {
	return apperr.WithFields(apperr.Invalid, apperr.BodyField("mismatch", "Is wrong, used already or too old", field))
}

// Sealed are the columns of this package whose values are sealed.
var Sealed = []seal.Column{{Table: "second_factors", Name: "secret_sealed", Key: "user_id", Place: factorPlace}}

// place says whose secret is sealed.
func (p Principal) place() string { return factorPlace(p.Tenant, p.User) }

func factorPlace(tenant, user uuid.UUID) string {
	return "second_factors.secret " + tenant.String() + " " + user.String()
}

// EnrollMfa makes a secret that waits for its first code.
func (h *Handler) EnrollMfa(ctx context.Context, _ api.EnrollMfaRequestObject) (api.EnrollMfaResponseObject, error) {
	p := From(ctx)
	tenant, err := h.tenantOf(ctx, p)
	if err != nil {
		return nil, err
	}
	key, err := newKey(tenant.Name, p.Email)
	if err != nil {
		return nil, err
	}
	err = h.DB.InTx(ctx, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		written, err := q.EnrollFactor(ctx, p.User, h.Box.Seal(key.Secret(), p.place()))
		if err == nil && written == 0 {
			err = errActiveFactor
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.EnrollMfa200JSONResponse{Secret: key.Secret(), OtpauthUri: key.URL()}, nil
}

// factorGuess is a try at a code on its way.
type factorGuess struct {
	guess

	sealed  []byte // the factor's secret
	allowed bool   // false while tries are delayed
}

// beginGuess counts a try at a code of the caller's second factor, active or waiting. As at sign-in, an address where the
// user has given the factor lately has a count of its own, so that a thief of the password cannot keep the owner out.
func (h *Handler) beginGuess(ctx context.Context, p Principal, active bool) (factorGuess, error) {
	return db.InTxValue(ctx, h.DB, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (g factorGuess, err error) {
		factor, err := q.SecondFactor(ctx, p.User)
		switch {
		case isNotFound(err), err == nil && active && !factor.IsActive:
			return g, errNoFactor
		case err == nil && !active && factor.IsActive:
			return g, errActiveFactor
		case err != nil:
			return g, fmt.Errorf("read the second factor: %w", err)
		}
		known, err := isKnown(ctx, q, gendb.KnownAddressesParams{UserID: p.User, Seconds: addressMemory.Seconds(), WithFactor: true})
		if err != nil {
			return g, err
		}
		g.sealed, g.guess = factor.SecretSealed, mfaGuesses.at(p.User.String())
		if known {
			g.guess = mfaGuesses.at(p.User.String(), clientOf(ctx).Network())
		}
		if g.allowed, err = g.claim(ctx, q); err != nil || !g.allowed {
			return g, err
		}
		return g, q.RecordAttempt(ctx, p.User)
	})
}

// step is the step that a code is of; it is an error when it is of none, or tries are delayed.
func (h *Handler) step(p Principal, g factorGuess, code string) (int64, error) {
	secret, err := h.Box.Open(g.sealed, p.place())
	if err != nil {
		return 0, fmt.Errorf("open the secret of a second factor: %w", err)
	}
	step, found, err := stepOf(code, secret, h.now())
	if err != nil {
		return 0, err
	}
	if !found || !g.allowed {
		return 0, wrongCode("code")
	}
	return step, nil
}

func (h *Handler) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

// ActivateMfa takes the first code of a secret.
func (h *Handler) ActivateMfa(ctx context.Context, request api.ActivateMfaRequestObject) (api.ActivateMfaResponseObject, error) {
	p := From(ctx)
	g, err := h.beginGuess(ctx, p, false)
	if err != nil {
		return nil, err
	}
	step, err := h.step(p, g, request.Body.Code)
	if err != nil {
		return nil, err
	}
	token, codes := NewToken(p.Tenant), newRecoveryCodes()
	p, err = db.InTxValue(ctx, h.DB, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (Principal, error) {
		if err := activate(ctx, q, p.User, g, step, codes); err != nil {
			return p, err
		}
		return h.rotateAlone(ctx, q, p, token, given{factor: true})
	})
	if err != nil {
		return nil, err
	}
	p.hasFactor = true
	h.Memory.forgetUser(p.Tenant, p.User)
	in := signIn(p)
	return api.ActivateMfa200JSONResponse{
		Body: api.MfaActivation{
			Token: in.Token, CsrfToken: in.CsrfToken, ExpiresAt: in.ExpiresAt, Mfa: in.Mfa, User: in.User, RecoveryCodes: codes,
		},
		Headers: api.ActivateMfa200ResponseHeaders{SetCookie: cookie(p.Transport, p.token, p.SessionExpiresAt)},
	}, nil
}

func activate(ctx context.Context, q *db.Queries, user uuid.UUID, g factorGuess, step int64, codes []string) error {
	activated, err := q.ActivateFactor(ctx, gendb.ActivateFactorParams{UserID: user, SecretSealed: g.sealed, Step: step})
	if err != nil {
		return fmt.Errorf("activate the second factor: %w", err)
	}
	if activated == 0 {
		return apperr.New(apperr.Conflict, "The second factor was changed meanwhile.")
	}
	if err := q.CreateRecoveryCodes(ctx, user, hashRecoveryCodes(user, codes)); err != nil {
		return fmt.Errorf("keep the recovery codes: %w", err)
	}
	return g.forget(ctx, q)
}

// VerifyMfa takes a code, or a recovery code.
func (h *Handler) VerifyMfa(ctx context.Context, request api.VerifyMfaRequestObject) (api.VerifyMfaResponseObject, error) {
	p, in := From(ctx), request.Body
	g, err := h.beginGuess(ctx, p, true)
	if err != nil {
		return nil, err
	}
	use := func(ctx context.Context, q *db.Queries) error {
		return useRecoveryCode(ctx, q, p.User, g, in.RecoveryCode)
	}
	if in.Code != nil {
		step, err := h.step(p, g, *in.Code)
		if err != nil {
			return nil, err
		}
		use = func(ctx context.Context, q *db.Queries) error { return useStep(ctx, q, p.User, g, step) }
	}
	token := NewToken(p.Tenant)
	p, err = db.InTxValue(ctx, h.DB, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (Principal, error) {
		if err := use(ctx, q); err != nil {
			return p, err
		}
		if err := g.forget(ctx, q); err != nil {
			return p, err
		}
		return h.rotate(ctx, q, p, token, given{factor: true})
	})
	if err != nil {
		return nil, err
	}
	h.Memory.forgetUser(p.Tenant, p.User)
	return api.VerifyMfa200JSONResponse{
		Body: signIn(p), Headers: api.VerifyMfa200ResponseHeaders{SetCookie: cookie(p.Transport, p.token, p.SessionExpiresAt)},
	}, nil
}

// useStep uses up the code of a step; one that was used is a wrong one.
func useStep(ctx context.Context, q *db.Queries, user uuid.UUID, g factorGuess, step int64) error {
	used, err := q.UseStep(ctx, gendb.UseStepParams{UserID: user, SecretSealed: g.sealed, Step: step})
	if err != nil {
		return fmt.Errorf("use up a code: %w", err)
	}
	if used == 0 {
		return wrongCode("code")
	}
	return nil
}

// useRecoveryCode uses up a recovery code. While tries are delayed it looks for what no code hashes to, which takes as long.
func useRecoveryCode(ctx context.Context, q *db.Queries, user uuid.UUID, g factorGuess, code *string) error {
	hash := hashRecoveryCode(user, orEmpty(code))
	if !g.allowed {
		hash = nil
	}
	used, err := q.UseRecoveryCode(ctx, user, hash)
	if err != nil {
		return fmt.Errorf("use up a recovery code: %w", err)
	}
	if used == 0 {
		return wrongCode("recoveryCode")
	}
	return nil
}

// DisableMfa removes the caller's second factor. The user's other sessions end, unless it only waited for its first code.
func (h *Handler) DisableMfa(ctx context.Context, _ api.DisableMfaRequestObject) (api.DisableMfaResponseObject, error) {
	p := From(ctx)
	err := h.DB.InTx(ctx, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) error {
		wasActive, err := removeFactor(ctx, q, p.User)
		if err != nil || !wasActive {
			return err
		}
		return q.EndOtherSessions(ctx, p.User, p.Session)
	})
	if err != nil {
		return nil, err
	}
	h.Memory.forgetUser(p.Tenant, p.User)
	return api.DisableMfa204Response{}, nil
}

func removeFactor(ctx context.Context, q *db.Queries, user uuid.UUID) (wasActive bool, err error) {
	wasActive, err = q.RemoveFactor(ctx, user)
	if isNotFound(err) {
		return false, errNoFactor
	}
	if err != nil {
		return false, fmt.Errorf("remove the second factor: %w", err)
	}
	return wasActive, nil
}

// ResetMFA removes the second factor of a user who has lost it, and ends the user's sessions, for the operator's command
// line.
func ResetMFA(ctx context.Context, d *db.DB, tenant db.Scope, email string) error {
	return d.InTx(ctx, tenant, db.Options{}, func(ctx context.Context, q *db.Queries) error {
		user, err := q.UserByEmail(ctx, email)
		if isNotFound(err) {
			return apperr.New(apperr.NotFound, fmt.Sprintf("There is no user %q.", email))
		}
		if err != nil {
			return fmt.Errorf("find the user: %w", err)
		}
		if _, err := removeFactor(ctx, q, user); errors.Is(err, errNoFactor) {
			return apperr.New(apperr.Conflict, email+" has no second factor.")
		} else if err != nil {
			return err
		}
		return q.EndSessionsOfUser(ctx, user)
	})
}
