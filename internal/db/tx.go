package db

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	gendb "github.com/rollcall-erp/rollcall/gen/db"
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

// insideKey marks the context of a transaction, and holds its connection.
type insideKey struct{}

// attempt is one try: begin and scope in one exchange with the server, the statements of work, commit.
func (d *DB) attempt(ctx context.Context, on *node, scope Scope, opts Options, work Func) error {
	conn, err := on.acquire(ctx)
	if err != nil {
		return &txError{phase: phaseConnect, readOnly: opts.ReadOnly, err: err}
	}
	defer func() {
		// Also on panic. A connection that is not idle afterwards is closed by the pool, never handed on.
		rollback(ctx, conn)
		conn.Release()
	}()
	if err := d.begin(ctx, conn.Conn(), scope, opts); err != nil {
		if conn.Conn().IsClosed() && ctx.Err() == nil {
			// The server was restarted or the network broke: the pool's other idle connections are as dead, and may be
			// more than there are tries.
			on.pool.Reset()
		}
		return &txError{phase: phaseBegin, readOnly: opts.ReadOnly, err: err}
	}
	if err := work(context.WithValue(ctx, insideKey{}, conn.Conn()), gendb.New(statements{conn.Conn()})); err != nil {
		return &txError{phase: phaseWork, readOnly: opts.ReadOnly, err: err}
	}
	return commit(ctx, conn.Conn(), opts)
}

var beginStatements = map[Isolation]string{
	ReadCommitted:  "begin isolation level read committed",
	RepeatableRead: "begin isolation level repeatable read",
	Serializable:   "begin isolation level serializable",
}

func (o Options) begin() string {
	if o.ReadOnly {
		return beginStatements[o.Isolation] + " read only"
	}
	return beginStatements[o.Isolation]
}

// enterTenant selects the tenant's schema, a role of it, what that may see and who it is, for this transaction only, if the registry
// and the catalogue know them; no row means they do not. A missing schema would be silent otherwise, and a missing role (a
// dump restored on another server; `migrate up` makes it again) an error that looks like bad input. set_config with
// arguments, never SET with a name pasted in: arguments cannot be code. What the registry says of the tenant's sessions is
// handed on in the same way (queries/auth.sql), since the tenant's role cannot read it.
const enterTenant = `select set_config('search_path', $1, true), set_config('role', $2, true),
	set_config('statement_timeout', $3, true), set_config('idle_in_transaction_session_timeout', $3, true),
	set_config('lock_timeout', $4, true), set_config('rollcall.institutions', $6, true),
	set_config('rollcall.teacher', $7, true), set_config('rollcall.guardian', $8, true), set_config('rollcall.actor', $9, true),
	set_config('rollcall.require_mfa', t.require_mfa::text, true),
	set_config('rollcall.sessions_since', coalesce(t.sessions_since::text, ''), true)
from control.tenants t
where t.id = $5 and t.status = 'active' and to_regnamespace($1) is not null and to_regrole($2) is not null`

const enterControl = `select set_config('search_path', 'control', true), '',
	set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true),
	set_config('lock_timeout', $2, true), set_config('rollcall.actor', $3, true)`

// begin opens the transaction and enters the scope in one round trip.
func (d *DB) begin(ctx context.Context, conn *pgx.Conn, scope Scope, opts Options) error {
	if opts.position != "" {
		if err := requirePosition(ctx, conn, opts.position); err != nil {
			return err
		}
	}
	batch := &pgx.Batch{}
	batch.Queue(opts.begin())
	if err := d.enter(ctx, batch, scope); err != nil {
		return err
	}
	position := opts.position == "" && notesPosition(ctx)
	if position {
		batch.Queue(selectPosition)
	}
	results := conn.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }()
	if _, err := results.Exec(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	tag, err := results.Exec()
	if err != nil {
		return fmt.Errorf("enter the schema: %w", err)
	}
	if tag.RowsAffected() != 1 {
		return ErrTenantUnavailable
	}
	if position {
		if err := notePosition(ctx, results); err != nil {
			return err
		}
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("enter the schema: %w", err)
	}
	return nil
}

// enter adds the statement that enters the scope.
func (d *DB) enter(ctx context.Context, batch *pgx.Batch, scope Scope) error {
	statement, lock := d.timeouts(ctx)
	actor, err := actorSetting(ctx)
	if err != nil {
		return err
	}
	if scope == Control {
		batch.Queue(enterControl, statement, lock, actor)
		return nil
	}
	role, institutions, teacher, guardian := scope.view()
	batch.Queue(enterTenant, SchemaName(scope.tenant), role, statement, lock, scope.tenant, institutions, teacher, guardian, actor)
	return nil
}

// timeouts are the server's own limits in milliseconds. They end a statement, or a transaction that says nothing more,
// even when nobody is left to cancel it, and a little after ours, so that the client's deadline speaks first.
func (d *DB) timeouts(ctx context.Context) (statement, lock string) {
	left := d.config.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	left = max(left, time.Millisecond)
	grace := left + 500*time.Millisecond
	return milliseconds(grace), milliseconds(min(left, d.config.LockTimeout))
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

func commit(ctx context.Context, conn *pgx.Conn, opts Options) error {
	if err := ctx.Err(); err != nil { // here the outcome is certain still
		return &txError{phase: phaseWork, readOnly: opts.ReadOnly, err: err}
	}
	tag, err := conn.Exec(ctx, "commit")
	if err != nil {
		return &txError{phase: phaseCommit, readOnly: opts.ReadOnly, err: err}
	}
	if tag.String() != "COMMIT" {
		// A statement failed and work went on as if it had not: the server has rolled back.
		return &txError{phase: phaseWork, readOnly: opts.ReadOnly, err: fmt.Errorf("commit answered %s", tag)}
	}
	return nil
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
