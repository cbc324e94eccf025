package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
	"github.com/rollcall-erp/rollcall/internal/dbtest"
	"github.com/rollcall-erp/rollcall/internal/resilience"
	"github.com/rollcall-erp/rollcall/internal/toxictest"
)

// sensitive opens soon and rests until a test is sure to have seen it.
var sensitive = resilience.BreakerPolicy{Dependency: "database", Failures: 3, Rest: 300 * time.Millisecond, Probes: 2}

func TestBreaker_opensWhenTheDatabaseIsGoneAndClosesByItself(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	network := toxictest.New(t, s.URL)
	d := s.Open(t, db.Config{URL: network.URL, Breaker: sensitive})
	add := func(name string) error {
		return s.run(t.Context(), d, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, name) })
	}
	require.NoError(t, add("Before"))
	network.Add(t, toxictest.Down)
	requireKind(t, apperr.Unavailable, add("Lost"))
	assert.Equal(t, "open", d.Health(t.Context()).Breaker)

	err := add("Refused")
	requireKind(t, apperr.Unavailable, err)
	e, _ := errors.AsType[*apperr.Error](err)
	assert.Equal(t, sensitive.Rest, e.RetryAfter)
	_, isOpen := errors.AsType[*resilience.OpenError](err)
	assert.True(t, isOpen, err)

	network.Heal(t)
	require.Eventually(t, func() bool { return add("After") == nil }, waitLimit, 10*time.Millisecond)
	assert.Equal(t, []string{"After", "Before"}, s.names(t))
	require.NoError(t, s.run(t.Context(), d, db.ReadOnly, func(context.Context, *pgx.Conn) error { return nil }))
	assert.Equal(t, db.Health{Up: true, Breaker: "closed"}, d.Health(t.Context()))
}

func TestBreaker_answersAndTheCallerLeaveItClosed(t *testing.T) {
	t.Parallel()
	s, _ := held(t)
	d := s.Open(t, db.Config{Breaker: sensitive, LockTimeout: time.Millisecond})
	s.add(t, "Taken")
	for range 10 {
		for name, w := range map[string]work{
			"constraint": func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, "Taken") },
			"lock":       func(ctx context.Context, conn *pgx.Conn) error { return update(ctx, conn, "Held") },
			"bug":        func(context.Context, *pgx.Conn) error { return errors.New("a bug") },
		} {
			require.Error(t, s.run(t.Context(), d, db.Options{Attempts: 1}, w), name)
		}
		gone, cancel := context.WithCancel(t.Context())
		requireKind(t, apperr.Canceled, s.run(gone, d, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
			cancel()
			return update(ctx, conn, "Held")
		}))
	}
	assert.Equal(t, "closed", d.Health(t.Context()).Breaker)
}

// A pool that is used up is our doing: it says nothing of the database.
func TestBreaker_aFullPoolLeavesItClosedAndIsHealthy(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	d := s.Open(t, db.Config{MaxConns: 1, Breaker: sensitive})
	require.NoError(t, s.run(t.Context(), d, db.ReadOnly, func(context.Context, *pgx.Conn) error {
		for range 5 {
			requireKind(t, apperr.Unavailable, s.run(t.Context(), d, db.Options{Timeout: 5 * time.Millisecond}, addAndTouch))
		}
		assert.Equal(t, "closed", d.Health(t.Context()).Breaker)
		return nil
	}))
}

func TestBreaker_countsOnlyTheServerAndTheWayToIt(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]bool{
		"": true, "53300": true, "57P01": true, "57P02": true, "57P03": true, "08006": true,
		"57014": false, "40001": false, "40P01": false, "55P03": false, "23505": false, "42P01": false, "0A000": false, "53100": false,
	} {
		assert.Equal(t, want, db.IsOutage(db.FailedTry(db.PhaseWork, false, failure(state))), state)
	}
	assert.True(t, db.IsOutage(db.FailedTry(db.PhaseWork, false, context.DeadlineExceeded)))
	assert.True(t, db.IsOutage(db.FailedTry(db.PhaseConnect, false, &pgconn.ConnectError{})))
	assert.False(t, db.IsOutage(db.FailedTry(db.PhaseWork, false, context.Canceled)))
	assert.False(t, db.IsOutage(db.FailedTry(db.PhaseWork, false, apperr.New(apperr.Conflict, ""))))
	assert.False(t, db.IsOutage(errors.New("a bug")))
}

// A try on a connection that has gone silent ends in its own time, and the next is on another one.
func TestInTx_aConnectionThatGoesSilentIsReplacedWithinTheBudget(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	network := toxictest.New(t, s.URL)
	policy := resilience.Database
	policy.AttemptTimeout = 2 * time.Second
	d := s.Open(t, db.Config{URL: network.URL, Retry: policy, Timeout: 30 * time.Second})
	add := func(ctx context.Context, conn *pgx.Conn) error { return insert(ctx, conn, "Once") }
	require.NoError(t, s.run(t.Context(), d, db.ReadOnly, func(context.Context, *pgx.Conn) error { return nil }))
	network.Add(t, toxictest.TimeoutUp)
	healed := time.AfterFunc(400*time.Millisecond, func() { network.Heal(t) })
	defer healed.Stop()
	require.NoError(t, s.run(t.Context(), d, db.Options{}, add))
	assert.Equal(t, []string{"Once"}, s.names(t))
}

// BenchmarkInTx_breakerOpen is how long a request takes that is refused because the database is gone.
func BenchmarkInTx_breakerOpen(b *testing.B) {
	d := dbtest.New(b)
	demo := d.Tenant(b, "demo")
	hourly := sensitive
	hourly.Rest = time.Hour
	gone := d.Open(b, db.Config{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable", Breaker: hourly})
	read := func() error {
		return gone.InTx(b.Context(), db.Tenant(demo.ID), db.ReadOnly, func(context.Context, *db.Queries) error { return nil })
	}
	require.Error(b, read())
	b.ReportAllocs()
	for b.Loop() {
		if read() == nil {
			b.Fatal("it was not refused")
		}
	}
}
