// Package idempotency lets a client repeat a POST until it is answered, without its happening twice.
//
// internal/server puts a [Request] into the context of every request that has an Idempotency-Key (With). A handler does
// its work and makes its response in [InTx], which is db.InTx with three statements more when there is a key:
//
//	claim the key, or answer 409 while another request has it
//	look the key up: its stored answer is the answer (a *AnsweredError), or 422 if the request was another one
//	the work of the handler, whose response is rendered
//	store the response, commit
//
// So effect and answer are durable together or not at all, and a request that failed has left its key unused. It also
// settles the commit whose reply was lost: the whole is tried again, and finds the key or does not.
//
// The claim is an advisory lock that PostgreSQL keeps until the transaction is over, however it ends. Whoever finds it
// taken is told so at once, and holds no connection while somebody else works.
package idempotency

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/resilience"
	"github.com/rollcall-erp/rollcall/internal/seal"
)

// Request is a request that has a key.
type Request struct {
	box    *seal.Box
	user   uuid.UUID
	place  string // whose answer a sealed one is
	key    []byte // digests
	digest []byte
}

// NewRequest is a request of a user with a key. Two requests with the same fingerprint ask for the same.
func NewRequest(box *seal.Box, tenant, user uuid.UUID, key string, fingerprint []byte) *Request {
	owner := tenant.String() + " " + user.String()
	r := &Request{
		box: box, user: user,
		key:    box.Digest(key, "idempotency key "+owner),
		digest: box.Digest(string(fingerprint), "idempotent request "+owner),
	}
	r.place = fmt.Sprintf("idempotent answer %s %x", owner, r.key)
	return r
}

type requestKey struct{}

// With is ctx with a request that has a key.
func With(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// AnsweredError is the answer that a request of this key got before. It comes as an error, because the handler has nothing to
// answer; internal/server sends it.
type AnsweredError struct {
	Answer Answer

	kept []byte
}

// Error is for the log.
func (*AnsweredError) Error() string { return "this was answered before" }

// InTx runs work in a transaction, as db.InTx does, and stores its response with its effect if the request has a key.
// render is the method of the generated response type that writes it. Besides the errors of db.InTx it returns a *AnsweredError,
// and an *apperr.Error of the kinds RequestInProgress and KeyReused.
func InTx[R any](ctx context.Context, d *db.DB, scope db.Scope, render func(R, http.ResponseWriter) error, work func(ctx context.Context, q *db.Queries) (R, error)) (R, error) {
	request, keyed := ctx.Value(requestKey{}).(*Request)
	if !keyed {
		return db.InTxValue(ctx, d, scope, db.Options{}, work)
	}
	run := &run[R]{Request: request, db: d, scope: scope, render: render, work: work}
	response, err := run.try(ctx)
	if apperr.KindOf(err) == apperr.OutcomeUnknown {
		return run.settle(ctx, err)
	}
	return response, err
}

// run is the work of one request with a key.
type run[R any] struct {
	*Request

	db     *db.DB
	scope  db.Scope
	render func(R, http.ResponseWriter) error
	work   func(ctx context.Context, q *db.Queries) (R, error)

	claimed  bool   // by the last try: nothing was durable then, and nobody else was at it
	response R      // of the last try that came to its end
	kept     []byte // what it stored
}

// try is one transaction (db.InTx may try it several times).
func (r *run[R]) try(ctx context.Context) (R, error) {
	r.claimed = false
	return db.InTxValue(ctx, r.db, r.scope, db.Options{}, func(ctx context.Context, q *db.Queries) (R, error) {
		var none R
		if err := r.claim(ctx); err != nil {
			return none, err
		}
		r.claimed = true
		response, err := r.work(db.NotLast(ctx), q)
		if err != nil {
			return none, err
		}
		r.response = response
		return response, r.keep(db.Last(ctx), q)
	})
}

// keep stores the response.
func (r *run[R]) keep(ctx context.Context, q *db.Queries) error {
	var err error
	if r.kept, err = record(func(w http.ResponseWriter) error { return r.render(r.response, w) }); err != nil {
		return err
	}
	if err := q.KeepAnswer(ctx, gendb.KeepAnswerParams{
		UserID: r.user, KeyDigest: r.key, RequestDigest: r.digest, Response: r.box.Seal(string(r.kept), r.place),
	}); err != nil {
		return fmt.Errorf("keep the answer: %w", err)
	}
	return nil
}

// settle finds out what became of a commit whose reply was lost, by trying the whole again: the key is found, or it is
// claimed, which the lost transaction lets nobody do before it is over. What cannot be found out in time stays unknown.
func (r *run[R]) settle(ctx context.Context, unknown error) (R, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var response R
	policy := resilience.Settling
	policy.Retry = func(err error, _ uint) string {
		if r.settled(err) {
			return ""
		}
		return "outcome unknown"
	}
	err := policy.Do(ctx, func(ctx context.Context, _ uint) (err error) {
		response, err = r.try(ctx)
		return err
	})
	replay, isReplay := errors.AsType[*AnsweredError](err)
	switch {
	case isReplay && bytes.Equal(replay.kept, r.kept):
		return r.response, nil // our own, so it is no repetition
	case err == nil || r.settled(err):
		return response, err
	}
	var none R
	return none, stillUnknown(unknown)
}

// stillUnknown is the error for a client who can repeat the request.
func stillUnknown(cause error) error {
	e := apperr.Wrap(apperr.OutcomeUnknown, "The connection broke while the change was being made. Repeat the request with the same Idempotency-Key.", cause)
	e.RetryAfter = retryAfter
	return e
}

// settled is true of an error that says what the outcome is.
func (r *run[R]) settled(err error) bool {
	_, isReplay := errors.AsType[*AnsweredError](err)
	return isReplay || r.claimed && apperr.KindOf(err) != apperr.OutcomeUnknown
}

// settleTimeout bounds finding out whether a commit happened.
const settleTimeout = 10 * time.Second

// retryAfter is how soon a request that is in progress is probably done.
const retryAfter = time.Second

// claim makes the key this transaction's, or says why not.
func (r *Request) claim(ctx context.Context) error {
	var stored gendb.FindAnswerRow
	err := db.Together(ctx,
		func(ctx context.Context, q *db.Queries) error { return r.lock(ctx, q) },
		func(ctx context.Context, q *db.Queries) (err error) {
			stored, err = q.FindAnswer(ctx, r.user, r.key)
			return err
		})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look the key up: %w", err)
	}
	if !bytes.Equal(stored.RequestDigest, r.digest) {
		return apperr.New(apperr.KeyReused, "This Idempotency-Key was sent with another request. Use a new one for each.")
	}
	return r.replay(stored.Response)
}

func (r *Request) lock(ctx context.Context, q *db.Queries) error {
	lock, err := q.ClaimKey(ctx, int64(binary.BigEndian.Uint64(r.key)), r.user.String())
	if err != nil {
		return fmt.Errorf("claim the key: %w", err)
	}
	if !lock.Claimed {
		e := apperr.New(apperr.RequestInProgress, "A request with this Idempotency-Key is being worked on.")
		e.RetryAfter = retryAfter
		return e
	}
	return nil
}

// replay opens a stored answer. It is always an error: a *AnsweredError, if it opens.
func (r *Request) replay(sealed []byte) error {
	opened, err := r.box.Open(sealed, r.place)
	if err != nil {
		return fmt.Errorf("open the answer: %w", err)
	}
	answer, err := parse([]byte(opened))
	if err != nil {
		return err
	}
	return &AnsweredError{Answer: answer, kept: []byte(opened)}
}
