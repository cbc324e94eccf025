package db_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"

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
			s := newSchool(t)
			s.add(t, "Old")
			pool := s.Open(t, db.Config{MaxConns: 1, URL: startCutter(t, s.URL, test.forward)})
			attempts := 0
			err := s.run(t.Context(), pool, db.Options{}, func(ctx context.Context, conn *pgx.Conn) error {
				attempts++
				return insert(ctx, conn, "Once")
			})
			requireKind(t, apperr.OutcomeUnknown, err)
			e, _ := errors.AsType[*apperr.Error](err)
			assert.Positive(t, e.RetryAfter)
			assert.Equal(t, 1, attempts)
			assert.Equal(t, test.durable, s.names(t))
		})
	}
}

// A transaction that writes nothing may be tried again in any phase.
func TestInTx_lostReplyToCommitOfAReadIsRetried(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	pool := s.Open(t, db.Config{MaxConns: 1, URL: startCutter(t, s.URL, true)})
	attempts := 0
	err := s.run(t.Context(), pool, db.Options{ReadOnly: true, Attempts: 3}, func(context.Context, *pgx.Conn) error {
		attempts++
		return nil
	})
	requireKind(t, apperr.Unavailable, err)
	assert.Equal(t, 3, attempts)
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
