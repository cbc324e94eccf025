package db

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Isolation is a transaction's isolation level.
type Isolation int

// The levels; ReadCommitted is the default.
const (
	ReadCommitted Isolation = iota
	RepeatableRead
	Serializable
)

// Options change how a transaction runs; the zero value is a read-write one with the pool's time limit and retries.
type Options struct {
	Isolation Isolation
	ReadOnly  bool
	Timeout   time.Duration // all tries together, and one may take all of it; 0 is the pool's
	Attempts  uint          // tries in all; 0 is the pool's

	position string // what a replica must have replayed; empty on the primary
}

// ReadOnly are the options of a transaction that writes nothing.
var ReadOnly = Options{ReadOnly: true}

// ErrTenantUnavailable is a tenant that the registry does not know as active.
var ErrTenantUnavailable = errors.New("tenant unknown or not active")

var errNested = errors.New("a transaction was begun inside another one")

// rollbackTimeout bounds the clean-up of a failed transaction, whose own context may be over.
const rollbackTimeout = 2 * time.Second

// Func is the work of a transaction. It may run more than once, so it keeps its effects to the queries and to variables
// that it sets anew each time.
type Func func(ctx context.Context, q *Queries) error

// InTx runs work in a transaction of the scope. An error or panic of work rolls back. It returns an *apperr.Error,
// ErrTenantUnavailable, or an error that is a fault of ours.
func (d *DB) InTx(ctx context.Context, scope Scope, opts Options, work Func) (err error) {
	if ctx.Value(insideKey{}) != nil {
		return errNested // the callback has no DB, but a closure might
	}
	ctx, span := d.startSpan(ctx, scope, opts)
	defer func() { span.end(err) }()
	timeout, policy := d.config.Timeout, d.config.Retry
	if opts.Timeout > 0 {
		timeout, policy.AttemptTimeout = opts.Timeout, 0
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if settled, err := d.onReplica(ctx, scope, opts, work); settled {
		span.onReplica()
		return Translate(err)
	}
	if opts.Attempts > 0 {
		policy.Attempts = opts.Attempts
	}
	err = policy.Do(ctx, func(ctx context.Context, attempt uint) error {
		span.tried(attempt)
		return d.primary.breaker.Do(func() error { return d.attempt(ctx, d.primary, scope, opts, work) })
	})
	return Translate(err)
}

// InTxValue is InTx for work that returns a value; on error the value is the zero one.
func InTxValue[T any](ctx context.Context, d *DB, scope Scope, opts Options, work func(ctx context.Context, q *Queries) (T, error)) (T, error) {
	var value T
	err := d.InTx(ctx, scope, opts, func(ctx context.Context, q *Queries) error {
		var err error
		value, err = work(ctx, q)
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return value, nil
}

// Read runs a read-only transaction of one statement, which is one exchange with the server (Last).
func Read[T any](ctx context.Context, d *DB, scope Scope, statement func(ctx context.Context, q *Queries) (T, error)) (T, error) {
	return InTxValue(ctx, d, scope, ReadOnly, func(ctx context.Context, q *Queries) (T, error) { return statement(Last(ctx), q) })
}

// attempt is one try: the statements of work, with which begin travels, and commit.
func (d *DB) attempt(ctx context.Context, on *node, scope Scope, opts Options, work Func) error {
	conn, err := on.acquire(ctx, scope.tenant)
	if err != nil {
		return &txError{phase: phaseConnect, readOnly: opts.ReadOnly, err: err}
	}
	defer func() {
		// Also on panic.
		rollback(ctx, conn.Conn)
		conn.release(ctx)
	}()
	t := &transaction{db: d, line: conn.line, scope: scope, view: scope.view(), opts: opts, phase: phaseBegin}
	err = t.run(ctx, work)
	if tx, failed := errors.AsType[*txError](err); failed && tx.phase == phaseBegin && conn.Conn.Conn().IsClosed() && ctx.Err() == nil {
		// The server was restarted or the network broke: the other idle connections are as dead, and may be more than there are tries.
		on.reset()
	}
	return err
}

// rollback ends an open transaction on a context of its own, because the caller's may be over.
func rollback(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Conn().Close(ctx) // its state is unknown; the server rolls back by itself
	}
}
