package db_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
)

// meeting makes two transactions wait for each other, in their first try only.
type meeting struct{ waiting sync.WaitGroup }

func newMeeting() *meeting {
	m := &meeting{}
	m.waiting.Add(2)
	return m
}

func (m *meeting) join() {
	m.waiting.Done()
	m.waiting.Wait()
}

// both runs two transactions at once: each does first, meets the other, and does second.
func (s school) both(t *testing.T, d *db.DB, opts db.Options, first, second [2]work) (attempts int64) {
	t.Helper()
	var group errgroup.Group
	var tries atomic.Int64
	m := newMeeting()
	for i := range 2 {
		mine := 0
		group.Go(func() error {
			return s.run(t.Context(), d, opts, func(ctx context.Context, conn *pgx.Conn) error {
				tries.Add(1)
				mine++
				if err := first[i](ctx, conn); err != nil {
					return err
				}
				if mine == 1 {
					m.join()
				}
				return second[i](ctx, conn)
			})
		})
	}
	require.NoError(t, group.Wait())
	return tries.Load()
}

func TestInTx_deadlockIsRetriedAndBothSucceed(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "A")
	s.add(t, "B")
	s.Exec(t, "alter database "+dbtest.Value[string](t, s.Database, "select current_database()::text")+
		" set deadlock_timeout = '50ms'")
	d := s.Open(t, db.Config{}) // only new connections have the setting
	touch := func(name string) work {
		return func(ctx context.Context, conn *pgx.Conn) error { return update(ctx, conn, name) }
	}
	attempts := s.both(t, d, db.Options{}, [2]work{touch("A"), touch("B")}, [2]work{touch("B"), touch("A")})
	assert.GreaterOrEqual(t, attempts, int64(3), "one of them is tried again; on a busy machine they may meet once more")
}

func TestInTx_serializationFailureIsRetried(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	count := func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "select count(*) from institutions")
		return err
	}
	add := func(name string) work {
		return func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, name) }
	}
	attempts := s.both(t, s.DB, db.Options{Isolation: db.Serializable}, [2]work{count, count}, [2]work{add("A"), add("B")})
	assert.Greater(t, attempts, int64(2))
	assert.Equal(t, []string{"A", "B"}, s.names(t))
}

func TestInTx_concurrentUpdateIsRetried(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "A")
	attempts := 0
	err := s.run(t.Context(), s.DB, db.Options{Isolation: db.RepeatableRead}, func(ctx context.Context, conn *pgx.Conn) error {
		attempts++
		if _, err := conn.Exec(ctx, "select from institutions"); err != nil {
			return err
		}
		if attempts == 1 {
			s.Exec(t, "update "+s.schema+".institutions set is_active = false")
		}
		return update(ctx, conn, "A")
	})
	require.NoError(t, err)
	assert.Equal(t, 2, attempts)
}

func TestInTx_permanentFailureIsNotRetried(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "Taken")
	for name, w := range map[string]work{
		"constraint":        func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, "Taken") },
		"no row":            func(context.Context, *pgx.Conn) error { return pgx.ErrNoRows },
		"rule":              func(context.Context, *pgx.Conn) error { return apperr.New(apperr.Invalid, "No.") },
		"missing privilege": func(ctx context.Context, conn *pgx.Conn) error { return exec(ctx, conn, "select from control.tenants") },
		"syntax":            func(ctx context.Context, conn *pgx.Conn) error { return exec(ctx, conn, "selekt 1") },
		"bad value":         func(ctx context.Context, conn *pgx.Conn) error { return exec(ctx, conn, "select 'x'::uuid") },
	} {
		attempts := 0
		err := s.run(t.Context(), s.DB, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
			attempts++
			return w(ctx, conn)
		})
		require.Error(t, err, name)
		assert.Equal(t, 1, attempts, name)
	}
}

func exec(ctx context.Context, conn *pgx.Conn, statement string) error {
	_, err := conn.Exec(ctx, statement)
	return err
}

func TestInTx_attemptsAreLimited(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for opts, want := range map[db.Options]int{{}: 5, {Attempts: 1}: 1, {Attempts: 2}: 2} {
		attempts := 0
		err := s.run(t.Context(), s.DB, opts, func(ctx context.Context, conn *pgx.Conn) error {
			attempts++
			return exec(ctx, conn, "do $$ begin raise exception 'x' using errcode = '40001'; end $$")
		})
		requireKind(t, apperr.Unavailable, err)
		assert.Equal(t, want, attempts)
	}
}

// backend is the process that serves a transaction; the connection's own idea of it may be a pooler's.
func backend(ctx context.Context, t *testing.T, conn *pgx.Conn) (pid uint32) {
	t.Helper()
	assert.NoError(t, conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid))
	return pid
}

// terminate ends connections from outside and waits until they are gone.
func (s school) terminate(t *testing.T, pids ...uint32) {
	t.Helper()
	s.Exec(t, "select pg_terminate_backend(pid) from unnest($1::int[]) pid", pids)
	require.Eventually(t, func() bool {
		return !dbtest.Value[bool](t, s.Database, "select exists (select from pg_stat_activity where pid = any($1))", pids)
	}, waitLimit, time.Millisecond)
}

func TestInTx_connectionThatEndsBeforeCommitIsRetried(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	attempts := 0
	err := s.run(t.Context(), s.DB, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		attempts++
		if err := insert(ctx, conn, "First"); err != nil {
			return err
		}
		if attempts == 1 {
			s.terminate(t, backend(ctx, t, conn))
		}
		return insert(ctx, conn, "Second")
	})
	require.NoError(t, err)
	assert.Equal(t, 2, attempts)
	assert.Equal(t, []string{"First", "Second"}, s.names(t))
}

func TestInTx_connectionsThatEndedInThePoolAreReplaced(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	const size = 12 // more than there are tries
	d := s.Open(t, db.Config{MaxConns: size})
	s.terminate(t, s.fill(t, d, size)...)
	require.NoError(t, s.run(t.Context(), d, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
		return insert(ctx, conn, "First")
	}))
	assert.Equal(t, []string{"First"}, s.names(t))
}

// fill opens so many connections in a pool and returns their process ids.
func (s school) fill(t *testing.T, d *db.DB, size int) []uint32 {
	t.Helper()
	var group errgroup.Group
	var all sync.WaitGroup
	all.Add(size)
	pids := make([]uint32, size)
	for i := range size {
		group.Go(func() error {
			return s.run(t.Context(), d, db.ReadOnly, func(ctx context.Context, conn *pgx.Conn) error {
				pids[i] = backend(ctx, t, conn)
				all.Done()
				all.Wait()
				return nil
			})
		})
	}
	require.NoError(t, group.Wait())
	return pids
}

func TestInTx_stalePlanIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "A")
	pool := s.Open(t, db.Config{MaxConns: 1})
	attempts := 0
	read := func(ctx context.Context, conn *pgx.Conn) error {
		attempts++
		rows, err := conn.Query(ctx, "select * from institutions where is_active = $1", true)
		if err != nil {
			return err
		}
		_, err = pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
		return err
	}
	require.NoError(t, s.run(t.Context(), pool, db.ReadOnly, read))
	s.Exec(t, "alter table "+s.schema+".institutions add column motto text")
	require.NoError(t, s.run(t.Context(), pool, db.ReadOnly, read))
	assert.Equal(t, 3, attempts)
}
