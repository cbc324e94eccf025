package auth

import (
	"context"
	"fmt"

	"github.com/rollcall-erp/rollcall/gen/api"
	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

// ChangePassword sets a new password, ends every other session of the user, and rotates this one. Hashing, which takes long
// on purpose, happens outside of transactions.
func (h *Handler) ChangePassword(ctx context.Context, request api.ChangePasswordRequestObject) (api.ChangePasswordResponseObject, error) {
	p, in := From(ctx), request.Body
	oldHash, err := h.hashToGuess(ctx, p)
	if err != nil {
		return nil, err
	}
	matches, err := passwordMatches(ctx, in.CurrentPassword, oldHash)
	if err != nil {
		return nil, err
	}
	if matches { // forgotten at once: the new one may be refused, and that is no guess
		err = h.DB.InTx(ctx, Scope(ctx), db.Options{}, passwordGuesses.at(p.User.String()).forget)
		if err != nil {
			return nil, err
		}
	}
	if err := changeFaults(p, matches, in.NewPassword); err != nil {
		return nil, err
	}
	newHash, err := HashPassword(ctx, in.NewPassword)
	if err != nil {
		return nil, err
	}
	token := NewToken(p.Tenant)
	p, err = db.InTxValue(ctx, h.DB, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (Principal, error) {
		return h.change(ctx, q, p, token, gendb.ChangePasswordParams{ID: p.User, OldHash: oldHash, NewHash: &newHash})
	})
	if err != nil {
		return nil, err
	}
	h.Memory.forgetUser(p.Tenant, p.User)
	return api.ChangePassword200JSONResponse{
		Body: signIn(p), Headers: api.ChangePassword200ResponseHeaders{SetCookie: cookie(p.Transport, p.token, p.SessionExpiresAt)},
	}, nil
}

// hashToGuess counts a try at the present password, and is what to compare it with: nil while tries are delayed.
func (h *Handler) hashToGuess(ctx context.Context, p Principal) (*string, error) {
	return db.InTxValue(ctx, h.DB, Scope(ctx), db.Options{}, func(ctx context.Context, q *db.Queries) (*string, error) {
		allowed, err := passwordGuesses.at(p.User.String()).claim(ctx, q)
		if err != nil {
			return nil, err
		}
		hash, err := q.PasswordHash(ctx, p.User)
		if err != nil || !allowed {
			return nil, err
		}
		return hash, q.RecordAttempt(ctx, p.User)
	})
}

func changeFaults(p Principal, matches bool, newPassword string) error {
	var faults []apperr.Field
	if !matches {
		faults = append(faults, apperr.BodyField("mismatch", "Is not your password", "currentPassword"))
	}
	return apperr.InvalidFields(append(faults, guessableFaults("newPassword", newPassword, p.known()...)...))
}

// change changes the password if it still is the one that was compared, and leaves one session with another token.
func (h *Handler) change(ctx context.Context, q *db.Queries, p Principal, token Token, to gendb.ChangePasswordParams) (Principal, error) {
	changed, err := q.ChangePassword(ctx, to)
	if err != nil {
		return p, fmt.Errorf("change the password: %w", err)
	}
	if changed == 0 {
		return p, apperr.New(apperr.Conflict, "The password was changed meanwhile.")
	}
	return h.rotateAlone(ctx, q, p, token, given{password: true})
}

// rotateAlone rotates the caller's session and ends all others of the user: a factor has changed.
func (h *Handler) rotateAlone(ctx context.Context, q *db.Queries, p Principal, token Token, g given) (Principal, error) {
	if err := q.EndOtherSessions(ctx, p.User, p.Session); err != nil {
		return p, fmt.Errorf("end the other sessions: %w", err)
	}
	return h.rotate(ctx, q, p, token, g)
}
