package db_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rollcall-erp/rollcall/internal/apperr"
	"github.com/rollcall-erp/rollcall/internal/db"
)

func TestInTx_lostReplyToCommitIsOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		forward bool
		durable []string
	}{
		"commit arrives, its reply does not": {forward: true, durable: []string{"Old", "Once"}},
		"commit does not arrive":             {forward: false, durable: []string{"Old"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, last := range map[string]func(context.Context) context.Context{"alone": db.NotLast, "with the last statement": db.Last} {
				t.Run(how, func(t *testing.T) {
					t.Parallel()
					s := newSchool(t)
					s.add(t, "Old")
					pool := s.Open(t, db.Config{MaxConns: 1, URL: startCutter(t, s.URL, test.forward)})
					attempts := 0
					err := s.run(t.Context(), pool, db.Options{}, func(ctx context.Context, _ *pgx.Conn) error {
						attempts++
						_ = add(last(ctx), "Once")
						return nil // whatever work makes of it
					})
					requireKind(t, apperr.OutcomeUnknown, err)
					e, _ := errors.AsType[*apperr.Error](err)
					assert.Positive(t, e.RetryAfter)
					assert.Equal(t, 1, attempts)
					assert.Equal(t, test.durable, s.names(t))
				})
			}
		})
	}
}

// add writes an institution as a generated query does.
func add(ctx context.Context, name string) error {
	return db.Run(ctx, "insert into institutions (id, name, code) values ($1, $2, $3)", uuid.New(), name, code(name))
}

// What the server answers with an error is certain, also where commit travels with it.
func TestLast_aStatementThatFailsIsNotCommitted(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.add(t, "Taken")
	pool := s.Open(t, db.Config{MaxConns: 1})
	inTx := func(work db.Func) error { return pool.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, work) }
	for _, name := range []string{"First", "Second"} { // with begin in an exchange of its own, and then with begin in the same one
		require.NoError(t, inTx(func(ctx context.Context, _ *db.Queries) error { return add(db.Last(ctx), name) }))
		requireKind(t, apperr.Conflict, inTx(func(ctx context.Context, _ *db.Queries) error { return add(db.Last(ctx), "Taken") }))
		requireKind(t, apperr.Conflict, inTx(func(ctx context.Context, _ *db.Queries) error {
			_ = add(db.Last(ctx), "Taken")
			return nil
		}))
		s.assertWhole(t, pool)
	}
	assert.Equal(t, []string{"First", "Second", "Taken"}, s.names(t))
}

func TestLast_aFailureThatTheServerReportsIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	attempts := 0
	err := s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{Attempts: 3}, func(ctx context.Context, _ *db.Queries) error {
		attempts++
		return db.Run(db.Last(ctx), "do $$ begin raise exception 'x' using errcode = '40001'; end $$")
	})
	requireKind(t, apperr.Unavailable, err)
	assert.Equal(t, 3, attempts)
}

func TestLast_nothingComesAfterIt(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	err := s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.Options{}, func(ctx context.Context, _ *db.Queries) error {
		if err := add(db.Last(ctx), "Once"); err != nil {
			return err
		}
		return add(ctx, "Late")
	})
	require.ErrorIs(t, err, db.ErrTooLate, "a rule that fails after the commit is a fault of the program, not an answer")
	assert.Equal(t, []string{"Once"}, s.names(t))
	err = s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.ReadOnly, func(ctx context.Context, q *db.Queries) error {
		if _, err := q.CountInstitutions(db.Last(ctx), 10); err != nil {
			return err
		}
		return add(ctx, "Late")
	})
	require.ErrorIs(t, err, db.ErrOver)
}

// A client who has gone before anything was sent knows that nothing was.
func TestLast_whoHasGoneBeforeItWasSentWroteNothing(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.DB.InTx(ctx, db.Tenant(s.tenant.ID), db.Options{}, func(ctx context.Context, _ *db.Queries) error {
		cancel()
		return add(db.Last(ctx), "Once")
	})
	requireKind(t, apperr.Canceled, err)
	assert.Empty(t, s.names(t))
}

// A transaction that writes nothing may be tried again in any phase.
func TestInTx_lostReplyToCommitOfAReadIsRetried(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1, URL: startCutter(t, s.URL, true)})
	attempts := 0
	for _, last := range []func(context.Context) context.Context{db.NotLast, db.Last} {
		attempts = 0
		opts := db.Options{ReadOnly: true, Isolation: db.RepeatableRead, Attempts: 3}
		err := pool.InTx(t.Context(), db.Tenant(s.tenant.ID), opts, func(ctx context.Context, q *db.Queries) error {
			attempts++
			_, err := q.CountInstitutions(last(ctx), 10)
			return err
		})
		requireKind(t, apperr.Unavailable, err)
		assert.Equal(t, 3, attempts)
	}
}

// A read of one exchange is a transaction by itself: there is no commit whose reply can be lost, and nothing can be written in it.
func TestRead_hasNoCommitAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1, URL: startCutter(t, s.URL, true)})
	cut := 0
	for range 3 {
		attempts := 0
		n, err := db.Read(t.Context(), pool, db.Tenant(s.tenant.ID), func(ctx context.Context, q *db.Queries) (int64, error) {
			attempts++
			return q.CountInstitutions(ctx, 10)
		})
		require.NoError(t, err)
		assert.Zero(t, n)
		cut += attempts - 1
	}
	assert.Equal(t, 1, cut, "what is not known yet is described first, in a transaction that commits")
	for range 2 {
		err := s.DB.InTx(t.Context(), db.Tenant(s.tenant.ID), db.ReadOnly, func(ctx context.Context, _ *db.Queries) error {
			return add(db.Last(ctx), "Written")
		})
		require.Error(t, err)
	}
	assert.Empty(t, s.names(t))
}

// startCutter starts a proxy that cuts every connection at its first commit: after the server has answered, or instead
// of forwarding it. It returns the URL that leads through it.
func startCutter(t *testing.T, server string, forwardCommit bool) string {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	target := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go cut(client, target, forwardCommit)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

// cut forwards between a client and the server until the client commits.
func cut(client net.Conn, target string, forwardCommit bool) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	done := make(chan struct{})
	defer close(done)
	requests, replies := readAll(client, done), readAll(server, done)
	for {
		select {
		case request := <-requests:
			isCommit := bytes.Contains(request, []byte("commit\x00"))
			if request == nil || isCommit && !forwardCommit {
				return
			}
			_, _ = server.Write(request)
			if isCommit {
				<-replies // the commit has happened
				return
			}
		case reply := <-replies:
			if reply == nil {
				return
			}
			_, _ = client.Write(reply)
		}
	}
}

// readAll sends what arrives, and closes the channel at its end.
func readAll(from io.Reader, done <-chan struct{}) <-chan []byte {
	pieces := make(chan []byte)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 64<<10)
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			select {
			case pieces <- buffer[:n]:
			case <-done:
				return
			}
		}
	}()
	return pieces
}
