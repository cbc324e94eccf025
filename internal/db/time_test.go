package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/resilience"
)

// addAndTouch writes "New", and then waits for whoever holds "Held".
func addAndTouch(ctx context.Context, conn *pgx.Conn) error {
	if err := insert(ctx, conn, "New"); err != nil {
		return err
	}
	return update(ctx, conn, "Held")
}

// held is a school where somebody holds the institution "Held".
func held(t *testing.T) (s school, release func()) {
	t.Helper()
	s = newSchool(t)
	s.add(t, "Held")
	return s, s.hold(t, "Held")
}

func TestInTx_timeoutAbortsWithNothingWritten(t *testing.T) {
	t.Parallel()
	s, _ := held(t)
	pool := s.Open(t, db.Config{MaxConns: 1, LockTimeout: time.Minute})
	err := s.run(t.Context(), pool, db.Options{Timeout: 150 * time.Millisecond}, addAndTouch)
	requireKind(t, apperr.Unavailable, err)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, []string{"Held"}, s.names(t))
	s.assertWhole(t, pool)
}

func TestInTx_thePoolsTimeoutIsTheDefault(t *testing.T) {
	t.Parallel()
	s, _ := held(t)
	d := s.Open(t, db.Config{Timeout: 150 * time.Millisecond, LockTimeout: time.Minute})
	requireKind(t, apperr.Unavailable, s.run(t.Context(), d, db.Options{}, addAndTouch))
}

func TestInTx_lockTimeoutEndsEveryTry(t *testing.T) {
	t.Parallel()
	s, _ := held(t)
	d := s.Open(t, db.Config{LockTimeout: 50 * time.Millisecond})
	attempts := 0
	err := s.run(t.Context(), d, db.Options{Attempts: 2}, func(ctx context.Context, conn *pgx.Conn) error {
		attempts++
		return addAndTouch(ctx, conn)
	})
	requireKind(t, apperr.Unavailable, err)
	assert.Equal(t, "55P03", state(err))
	assert.Equal(t, 2, attempts)
	assert.Equal(t, []string{"Held"}, s.names(t))
}

func TestInTx_lockThatBecomesFreeInTime(t *testing.T) {
	t.Parallel()
	s, release := held(t)
	d := s.Open(t, db.Config{LockTimeout: 50 * time.Millisecond})
	attempts := 0
	err := s.run(t.Context(), d, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		if attempts++; attempts == 2 {
			release()
		}
		return addAndTouch(ctx, conn)
	})
	require.NoError(t, err)
	assert.Equal(t, 2, attempts)
	assert.Equal(t, []string{"Held", "New"}, s.names(t))
}

// begin runs a transaction that will block, and returns when it does.
func (s school) begin(ctx context.Context, t *testing.T, d *db.DB, attempts *int) (outcome <-chan error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		done <- s.run(ctx, d, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
			*attempts++
			return addAndTouch(ctx, conn)
		})
	}()
	s.awaitBlocked(t)
	return done
}

// The server's own statement_timeout does the same.
func TestInTx_statementThatTheServerCancelsIsNotRetried(t *testing.T) {
	t.Parallel()
	s, _ := held(t)
	d := s.Open(t, db.Config{LockTimeout: time.Minute})
	attempts := 0
	outcome := s.begin(t.Context(), t, d, &attempts)
	dbtest.Values[bool](t, s.Database, `select pg_cancel_backend(pid) from pg_stat_activity
		where datname = current_database() and wait_event_type = 'Lock'`)
	err := <-outcome
	requireKind(t, apperr.Unavailable, err)
	assert.Equal(t, "57014", state(err))
	assert.Equal(t, 1, attempts)
}

func TestInTx_callersCancellationEndsItAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := held(t)
	pool := s.Open(t, db.Config{MaxConns: 1, Timeout: time.Minute, LockTimeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	outcome := s.begin(ctx, t, pool, &attempts)
	canceled := time.Now()
	cancel()
	requireKind(t, apperr.Canceled, <-outcome)
	assert.Less(t, time.Since(canceled), 5*time.Second)
	assert.Equal(t, 1, attempts)
	assert.Equal(t, []string{"Held"}, s.names(t))
	s.assertWhole(t, pool)
}

func TestInTx_cancellationBetweenTwoTries(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	patient := resilience.Policy{Attempts: 3, BaseDelay: time.Hour, MaxDelay: time.Hour}
	d := s.Open(t, db.Config{Timeout: time.Minute, Retry: patient})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.run(ctx, d, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		time.AfterFunc(20*time.Millisecond, cancel)
		return exec(ctx, conn, "do $$ begin raise exception 'x' using errcode = '40001'; end $$")
	})
	requireKind(t, apperr.Canceled, err)
}

func TestInTx_cancellationBeforeCommitLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.run(ctx, pool, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		defer cancel()
		return insert(ctx, conn, "First")
	})
	requireKind(t, apperr.Canceled, err)
	assert.Empty(t, s.names(t))
	s.assertWhole(t, pool)
}

func TestInTx_waitingForAConnection(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1})
	require.NoError(t, s.run(t.Context(), pool, db.ReadOnly, func(context.Context, *pgx.Conn) error {
		// A second request, while the first has the only connection.
		err := s.run(t.Context(), pool, db.Options{Timeout: 50 * time.Millisecond}, addAndTouch)
		requireKind(t, apperr.Unavailable, err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		requireKind(t, apperr.Canceled, s.run(ctx, pool, db.Options{}, addAndTouch))
		return nil
	}))
}

func TestInTx_noServer(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d := s.Open(t, db.Config{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable"})
	requireKind(t, apperr.Unavailable, s.run(t.Context(), d, db.Options{}, addAndTouch))
	require.ErrorContains(t, d.Ping(t.Context()), "reach the database")
}
