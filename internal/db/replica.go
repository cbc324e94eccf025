package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-erp/rollcall/internal/apperr"
)

// A request may read from the replica what was there when it began. It is authenticated on the primary in any case, and
// that transaction also notes how far the primary's log of changes had come (its position). The replica serves the
// request if it has replayed the log as far as that; otherwise the primary does. So nobody misses what they, or anybody
// else, have written before, on however many instances, and nothing has to be remembered of who has written.

// request is what is known of the replica's part in a request.
type request struct {
	position string // of the primary, when the request was authenticated; empty: not known
	allowed  bool
}

type requestKey struct{}

// WithPosition prepares a request for reading from the replica: transactions in the context note the primary's position.
// The context belongs to one request, whose transactions follow one another.
func (d *DB) WithPosition(ctx context.Context) context.Context {
	if d.replica == nil {
		return ctx
	}
	return context.WithValue(ctx, requestKey{}, &request{})
}

// HasReplica reports whether there is a replica for reads.
func (d *DB) HasReplica() bool { return d.replica != nil }

// AllowReplica lets the read-only transactions that follow in a request run on the replica.
func AllowReplica(ctx context.Context) {
	if r := requestOf(ctx); r != nil {
		r.allowed = r.position != ""
	}
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// notesPosition reports whether a transaction on the primary has to note the position.
func notesPosition(ctx context.Context) bool {
	r := requestOf(ctx)
	return r != nil && !r.allowed
}

// selectPosition is how far the log has come as far as commits are acknowledged: where they do not wait for the disk
// they are not only in the flushed part.
const selectPosition = `select (case current_setting('synchronous_commit') when 'off' then pg_current_wal_insert_lsn()
	else pg_current_wal_flush_lsn() end)::text`

// notePosition reads the result of selectPosition.
func notePosition(ctx context.Context, r *replies) error {
	found, err := r.rows()
	if err := (row{found, err}).Scan(&requestOf(ctx).position); err != nil {
		return fmt.Errorf("note the position: %w", err)
	}
	return nil
}

// Outcomes of reads that may run on the replica, as labels.
const (
	replicaServed = "replica" // it answered
	replicaBehind = "behind"  // the primary was asked because the replica had not come so far
	replicaFailed = "failed"  // the primary was asked because the replica did not answer or was left alone
)

// errBehind is a replica that has not replayed what the request must see.
var errBehind = errors.New("the replica is behind")

// onReplica runs a transaction on the replica if it may, and reports whether that settled it. If not, the primary is to be
// asked.
func (d *DB) onReplica(ctx context.Context, scope Scope, opts Options, work Func) (settled bool, err error) {
	r := requestOf(ctx)
	if d.replica == nil || r == nil || !r.allowed || !opts.ReadOnly || opts.Isolation == Serializable {
		return false, nil
	}
	try, cancel := context.WithTimeout(ctx, d.config.ReplicaPatience)
	defer cancel()
	opts.position = r.position
	err = d.replica.breaker.Do(func() error { return d.attempt(try, d.replica, scope, opts, work) })
	switch {
	case err == nil || isAnswer(err):
		d.config.Metrics.replica(replicaServed)
		return true, err
	case errors.Is(err, errBehind):
		d.config.Metrics.replica(replicaBehind)
	case ctx.Err() == nil:
		d.config.Metrics.replica(replicaFailed)
	}
	return false, nil
}

// isAnswer is an error that the primary would give too: of the work itself, or of a statement. What the replica's own
// state brings about (it is being stopped, or has to cancel a read for the sake of replay, 40001) is none.
func isAnswer(err error) bool {
	if errors.Is(err, pgx.ErrNoRows) {
		return true
	}
	if _, ok := errors.AsType[*apperr.Error](err); ok {
		return true
	}
	_, isState := errors.AsType[*pgconn.PgError](err)
	return isState && !errors.Is(err, context.DeadlineExceeded) && retryReason(err, 1) == "" && !isUnavailableState(sqlState(err))
}

// catchUp is how long a read waits for a replica that is just behind: right after a write it usually is.
const catchUp = 5 * time.Millisecond

// requirePosition fails when the server has not replayed the log so far. It comes before the transaction, whose snapshot
// must not be older than the answer. A server that is no replica has replayed nothing.
func requirePosition(ctx context.Context, conn *pgx.Conn, position string) error {
	for begin := time.Now(); ; {
		var reached bool
		err := conn.QueryRow(ctx, "select coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)", position).Scan(&reached)
		if err != nil {
			return fmt.Errorf("ask the replica's position: %w", err)
		}
		if reached {
			return nil
		}
		if time.Since(begin) > catchUp {
			return errBehind
		}
		time.Sleep(catchUp / 5)
	}
}
