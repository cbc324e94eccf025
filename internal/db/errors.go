package db

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// phase says how far a transaction had come: what may be tried again depends on it.
type phase int

const (
	phaseConnect phase = iota // nothing was sent
	phaseBegin                // nothing of the work was sent
	phaseWork                 // commit was not sent: nothing is durable
	phaseCommit               // commit was sent: it may be durable
)

// txError is a failed try.
type txError struct {
	phase    phase
	readOnly bool
	err      error
}

func (e *txError) Error() string { return e.err.Error() }
func (e *txError) Unwrap() error { return e.err }

// SQLSTATEs, by their names in the PostgreSQL manual, appendix A.
const (
	featureNotSupported    = "0A000" // "cached plan must not change result type"
	protocolViolation      = "08P01"
	foreignKeyViolation    = "23503"
	uniqueViolation        = "23505"
	checkViolation         = "23514"
	serializationFailure   = "40001"
	deadlockDetected       = "40P01"
	tooManyConnections     = "53300"
	insufficientPrivilege  = "42501"
	lockNotAvailable       = "55P03"
	queryCanceled          = "57014"
	adminShutdown          = "57P01"
	crashShutdown          = "57P02"
	cannotConnectNow       = "57P03"
	classConnection        = "08"
	classDataException     = "22"
	classResources         = "53"
	classOperatorIntervent = "57P"
)

func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// retryReason decides whether the whole transaction may be tried again: why, as a metric's label, or empty for no.
func retryReason(err error, attempt uint) string {
	tx, ok := errors.AsType[*txError](err)
	if !ok || outcomeUnknown(tx) {
		return ""
	}
	state := sqlState(tx.err)
	switch state {
	case serializationFailure:
		return "serialization"
	case deadlockDetected:
		return "deadlock"
	case lockNotAvailable:
		return "lock"
	case cannotConnectNow:
		return "starting"
	case tooManyConnections:
		return "full"
	case featureNotSupported, protocolViolation:
		if attempt == 1 {
			return "plan" // a stale cached one; the next try prepares anew
		}
	case adminShutdown, crashShutdown: // of a commit only when it was of a read
		return resilience.ReasonConnection
	case "":
		return silence(tx)
	}
	return ""
}

// silence is why a transaction may be tried again that the server said nothing about.
func silence(tx *txError) string {
	switch {
	case lostConnection(tx):
		return resilience.ReasonConnection
	case tx.phase == phaseBegin && errors.Is(tx.err, context.DeadlineExceeded):
		return resilience.ReasonTimeout // the connection is dead; work that took so long would take as long again
	}
	return ""
}

// IsUnreachable reports that a server does not answer, or not yet, as against one that refuses: who waits will be served.
func IsUnreachable(err error) bool {
	if state := sqlState(err); state != "" {
		return isUnavailableState(state) && state != protocolViolation
	}
	_, isConnect := errors.AsType[*pgconn.ConnectError](err)
	return isConnect || isNetwork(err) || errors.Is(err, context.DeadlineExceeded)
}

// isOutage tells failures of the server or the way to it from answers: for the breaker, which has nothing to do with
// constraints, locks or the caller.
func isOutage(err error) bool {
	tx, ok := errors.AsType[*txError](err)
	if !ok {
		return false
	}
	state := sqlState(tx.err)
	if state == "" {
		return lostConnection(tx) || errors.Is(tx.err, context.DeadlineExceeded)
	}
	return state == tooManyConnections || strings.HasPrefix(state, classConnection) || strings.HasPrefix(state, classOperatorIntervent)
}

// outcomeUnknown is true when commit was sent and nothing says whether it happened: no SQLSTATE, or one that only
// reports the end of the connection.
func outcomeUnknown(tx *txError) bool {
	if tx.phase != phaseCommit || tx.readOnly {
		return false
	}
	state := sqlState(tx.err)
	return state == "" || strings.HasPrefix(state, classConnection) || strings.HasPrefix(state, classOperatorIntervent)
}

// lostConnection is an error of the connection itself, not of the caller's context and not of a callback.
func lostConnection(tx *txError) bool {
	if errors.Is(tx.err, context.Canceled) || errors.Is(tx.err, context.DeadlineExceeded) {
		return false
	}
	if tx.phase == phaseConnect {
		return true
	}
	_, isConnect := errors.AsType[*pgconn.ConnectError](tx.err)
	return isConnect || tx.phase == phaseCommit || isNetwork(tx.err)
}

// isNetwork recognises a connection that broke under a statement.
func isNetwork(err error) bool {
	var timeout interface{ Timeout() bool }
	return pgconn.SafeToRetry(err) || errors.As(err, &timeout) || isUnexpectedEOF(err)
}

const retryAfter = time.Second

// Translate turns an error of the database into an *apperr.Error where the client can do something about it. Errors
// that already are one pass unchanged; so does what is a fault of ours.
func Translate(err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*apperr.Error](err); ok {
		return known
	}
	if tx, ok := errors.AsType[*txError](err); ok && outcomeUnknown(tx) {
		return &apperr.Error{
			Kind: apperr.OutcomeUnknown, RetryAfter: retryAfter,
			Detail: "The connection broke while the change was being made. Read before you try again.",
		}
	}
	if open, ok := errors.AsType[*resilience.OpenError](err); ok {
		e := apperr.Wrap(apperr.Unavailable, "The database does not answer. Nothing was written; try again shortly.", err)
		e.RetryAfter = open.RetryAfter
		return e
	}
	switch {
	case errors.Is(err, ErrTenantUnavailable), errors.Is(err, ErrStale), errors.Is(err, errNested):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return apperr.Wrap(apperr.NotFound, "", err)
	case errors.Is(err, context.Canceled):
		return apperr.Wrap(apperr.Canceled, "", err)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return translateState(pg, err)
	}
	if isUnavailable(err) {
		return unavailable(err)
	}
	return err
}

func isUnavailable(err error) bool {
	tx, ok := errors.AsType[*txError](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && lostConnection(tx)
}

func unavailable(cause error) error {
	e := apperr.Wrap(apperr.Unavailable, "The service is busy. Nothing was written; try again shortly.", cause)
	e.RetryAfter = retryAfter
	return e
}

// rowSecurityCheck is the server's function that refuses to write a row that a policy hides. It tells that refusal from a
// missing grant, which has the same SQLSTATE and is a fault of ours.
const rowSecurityCheck = "ExecWithCheckOptions"

func translateState(pg *pgconn.PgError, err error) error {
	switch pg.Code {
	case uniqueViolation, foreignKeyViolation, checkViolation:
		return constraintError(pg, err)
	case serializationFailure, deadlockDetected, lockNotAvailable, queryCanceled:
		return unavailable(err)
	case insufficientPrivilege:
		if pg.Routine == rowSecurityCheck {
			return apperr.Wrap(apperr.Forbidden, "This is not yours to write.", err)
		}
	}
	switch {
	case strings.HasPrefix(pg.Code, classDataException):
		// A value that no rule of the contract refuses and the database cannot hold: still the client's.
		return apperr.Wrap(apperr.Invalid, "A value cannot be stored.", err)
	case isUnavailableState(pg.Code):
		return unavailable(err)
	}
	return err
}

// isUnavailableState is a state of the server, not of the statement.
func isUnavailableState(state string) bool {
	return strings.HasPrefix(state, classConnection) || strings.HasPrefix(state, classResources) ||
		strings.HasPrefix(state, classOperatorIntervent)
}

func isUnexpectedEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
