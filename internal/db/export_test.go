package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Conn is the connection of the transaction that ctx belongs to: the tests break and look at what no query reaches.
// It has begun; what fails in that comes out of InTx.
func Conn(ctx context.Context) *pgx.Conn {
	conn, _ := transactionOf(ctx).connection(ctx)
	return conn
}

// Run runs a statement as generated queries do: what begins the transaction may travel with it.
func Run(ctx context.Context, sql string, args ...any) error {
	_, err := statements{transactionOf(ctx)}.Exec(ctx, sql, args...)
	return err
}

// LimitPrepared bounds the statements that are prepared on the connection of the transaction that ctx belongs to.
func LimitPrepared(ctx context.Context, n int) { transactionOf(ctx).line.prepared.Resize(n) }

// The errors of statements in the wrong place.
var (
	ErrOver     = errOver
	ErrTooLate  = errTooLate
	ErrOneByOne = errOneByOne
)

// ErrNested is what a transaction inside another one gets.
var ErrNested = errNested

// Phase is how far a failed try had come.
type Phase = phase

// The phases.
const (
	PhaseConnect = phaseConnect
	PhaseBegin   = phaseBegin
	PhaseWork    = phaseWork
	PhaseCommit  = phaseCommit
)

// FailedTry is the error of a try as the retry sees it.
func FailedTry(p Phase, readOnly bool, err error) error {
	return &txError{phase: p, readOnly: readOnly, err: err}
}

// Retryable decides about another try.
func Retryable(err error, attempt uint) bool { return retryReason(err, attempt) != "" }

// IsOutage decides what the breaker counts.
var IsOutage = isOutage
